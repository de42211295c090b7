"""The application `fragile` of apps.py, whose handler does not raise any more."""

from tests.service import apps

fragile = apps.fragile
fragile.handlers[1] = lambda keys, event, ctx: (keys.keys.update({event.key: 1}), ctx.emit(apps.Size(len(keys.keys))))
