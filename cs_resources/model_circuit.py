"""The circuit breaker: an endpoint that fails again and again is left alone.

Belongs here: when a request may start, and when to give up. Must not: what a failure is.

At first, and whenever it has opened, one request at a time goes through until one succeeds: a wrong
key costs one request, not as many as run side by side. An endpoint that asks for patience gets it
from every request that is not yet under way.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from cs_resources.errors import PlatformError

PAUSES = (10.0, 30.0)


class CircuitOpenError(PlatformError):
    """The endpoint is given up for this run; the message says why."""


class Circuit:
    """Opens after `threshold` failures in a row, tries again after each pause, then gives up."""

    def __init__(
        self,
        threshold: int,
        pauses: tuple[float, ...] = PAUSES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._threshold, self._pauses, self._sleep = threshold, pauses, sleep
        self._failures = self._openings = 0
        self._is_tried = False
        self._pause = self._held_until = 0.0
        self._is_probing = False
        self._given_up = ""
        self._changed = asyncio.Condition()

    @property
    def is_tried(self) -> bool:
        """Whether the last request that could tell has succeeded."""
        return self._is_tried

    def require_hope(self) -> None:
        """Raise CircuitOpenError once the endpoint is given up."""
        if self._given_up:
            raise CircuitOpenError(self._given_up)

    def hold(self, seconds: float) -> None:
        """Let no request start before so many seconds from now; an earlier end changes nothing."""
        self._held_until = max(self._held_until, asyncio.get_running_loop().time() + seconds)

    async def wait_for_hold(self) -> bool:
        """Wait until requests are held back no more; return whether it took any time.

        Raises CircuitOpenError.
        """
        loop, was_held = asyncio.get_running_loop(), False
        while not self._given_up and loop.time() < self._held_until:
            was_held = True
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._held_until), self._changed:
                    await self._changed.wait_for(lambda: self._given_up)
        self.require_hope()
        return was_held

    async def enter(self) -> bool:
        """Wait until a request may start; return whether it is a probe. Raises CircuitOpenError."""
        is_probe = await self._admitted()
        while not is_probe and await self.wait_for_hold():
            is_probe = await self._admitted()  # it may have opened meanwhile
        if not is_probe:
            return False
        pause, self._pause = self._pause, 0.0
        try:
            await self._sleep(pause)
            await self.wait_for_hold()
        except BaseException:
            await self.leave(True, None)
            raise
        return True

    async def _admitted(self) -> bool:
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._given_up or self._is_tried or not self._is_probing
            )
            self.require_hope()
            self._is_probing = self._is_probing or not self._is_tried
            return not self._is_tried

    async def leave(self, is_probe: bool, is_success: bool | None, reason: str = "") -> None:
        """Say how an admitted request ended; None: it tells nothing about the endpoint."""
        async with self._changed:
            if is_probe:
                self._is_probing = False
            if is_success:
                self._failures, self._openings, self._is_tried = 0, 0, True
            elif is_success is False and (is_probe or self._is_tried):
                # those that were under way when it opened tell nothing new
                self._failed(reason)
            self._changed.notify_all()

    async def give_up(self, reason: str) -> None:
        """Let no request start any more."""
        async with self._changed:
            self._given_up = self._given_up or reason
            self._changed.notify_all()

    def _failed(self, reason: str) -> None:
        self._failures += 1
        if not self._openings and self._failures < self._threshold:
            return
        if self._openings == len(self._pauses):
            self._given_up = (
                f"given up after {self._failures} failures in a row; the last one: {reason}"
            )
            return
        self._is_tried, self._pause = False, self._pauses[self._openings]
        self._openings += 1
