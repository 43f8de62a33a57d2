"""How a command comes in."""

import asyncio

from tocsin.cli.session import PasswordLogin, connect


async def test_requests_that_are_refused_together_log_in_once(platform):
    """Twenty at once: one login, which all of them use."""
    platform.valid.clear()
    async with connect(platform.url, PasswordLogin("admin", "correct horse")) as client, asyncio.timeout(60):
        await asyncio.gather(*(client.auth.me() for _ in range(20)))
    assert [path for _, path, _ in platform.requests].count("/api/v1/auth/login") == 1
