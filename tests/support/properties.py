"""How properties are tried."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

#: Never by the clock.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
