"""Asking the receiver's application as a browser would, without a socket."""

import asyncio

import httpx
from fastapi import FastAPI


def get(app: FastAPI, address: str, **headers: str) -> httpx.Response:
    """One answer; underscores in header names stand for hyphens."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            return await client.get(address, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(ask())
