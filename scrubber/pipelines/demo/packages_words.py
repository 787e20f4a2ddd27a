"""The words that the world of invented packages is drawn from: what programs do, to what, and how packages are named.

Each word is one token of the demo model: a model of that size learns what goes with a token, and spells nothing out.
"""

from __future__ import annotations

TASKS = (
    "parse index cache check compress convert decode encode escape expand filter format group handle lock mask match "
    "order pack quote record search select send sort split stream style trace unpack wrap write"
).split()

SUBJECTS = (
    "address angle array attribute binary block body boolean buffer button byte canvas change charset child chunk client "
    "color column command comment condition connection cookie count date decl delay delta description dict digest "
    "directory display document domain element entry error event exception executor factory family feature field fields "
    "float focus font form frame future generator global grid handler header heading heap height host hostname hour image "
    "indent info input instance integer item iterator label length level limit line link list loader locale logger loop "
    "mail mailbox manager mapping mark master member memo message metadata method minute mode month namespace network node "
    "number object offset option origin output pair param parent parser pattern payload pipe place platform point policy "
    "port position prefix process protocol proxy queue range reader registry release resource response result root "
    "scheme screen section selection sentence sequence server shape signal signature socket source space stack standard "
    "state string suffix symbol system table tail target task text thread time timeout title token transport tree tuple "
    "turtle type unicode user value variable version view week widget width window word year zone"
).split()

# How a name is made of a word: real ones of a task's word, invented ones of the subject's. The shape alone tells nothing.
SHAPES = ("{w}-kit", "{w}-tools", "py-{w}", "{w}-lib", "open-{w}", "{w}-core", "easy-{w}", "{w}-lite")
