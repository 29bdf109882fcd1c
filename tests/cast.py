"""The fixed cast: alice owns an organization, bob is its member, mallory is another's.

Fixtures and factories only; a pytest plugin, loaded when models can be imported.
"""

from __future__ import annotations
