"""Pretrained weights from timm's hub, with a quick answer where it is out of reach."""

from __future__ import annotations

import logging
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub
import timm
from torch import Tensor

from ladcli.errors import UserError

#: Seconds that the hub has for its first answer; the download itself takes as long as it takes.
FIRST_ANSWER_S = 6.0
#: Files of a model on the hub, in the order in which timm looks for them.
_FILE_NAMES = ("model.safetensors", "pytorch_model.bin")


def hub_weights(name: str, *, flag: str = "--weights") -> dict[str, Tensor]:
    """The weights that timm offers for ``name``: from the hub's local cache, or downloaded.

    Args:
        flag: what names the weights on the command line, for messages.

    Raises:
        UserError: timm has none, the hub does not answer, or the download fails.
    """
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise UserError(
            f"timm has no pretrained weights for {name!r}; choose a network that has some "
            f"(timm.list_models(pretrained=True) names them), give {flag} a .safetensors or .pth "
            "file, or leave it out to start from random weights"
        )
    file = _cached_file(config)
    overlay = None if file is None else {"file": str(file)}
    try:
        with _quiet_hub():
            if file is None:
                _require_answer(_address(config))
            return timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=overlay
            ).state_dict()
    except Exception as error:  # network, hub and cache errors of several libraries
        reason = textwrap.shorten(str(error), 120, placeholder=" …")
        raise UserError(
            f"timm's hub gave no weights for {name!r} ({type(error).__name__}: {reason}); without "
            f"a network, give {flag} a .safetensors or .pth file, or leave it out to start from "
            "random weights"
        ) from error


def _cached_file(config: Any) -> Path | None:
    """Where an earlier download lies on this machine."""
    if not config.hf_hub_id or config.custom_load:  # timm reads the latter in ways of its own
        return None
    repository, _, revision = config.hf_hub_id.partition("@")
    names = (config.hf_hub_filename,) if config.hf_hub_filename else _FILE_NAMES
    for name in names:
        found = huggingface_hub.try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    return None


def _address(config: Any) -> str | None:
    """Where the download will be asked for; None for a file on this machine."""
    if config.hf_hub_id:
        repository, _, revision = config.hf_hub_id.partition("@")
        file = config.hf_hub_filename or _FILE_NAMES[0]
        return huggingface_hub.hf_hub_url(repository, file, revision=revision or None)
    return str(config.url) if config.url else None


def _require_answer(address: str | None) -> None:
    """Ask ``address`` once, before a download that would try again and again for a minute.

    In a thread of its own, since looking a name up cannot be limited in time.

    Raises:
        Exception: no answer in time, or one that says that there is no service.
    """
    if address is None:
        return
    outcome: list[Exception | int] = []

    def ask() -> None:
        try:
            # The hub's own session knows proxies, certificates and the offline switch.
            session: Any = huggingface_hub.get_session()
            outcome.append(session.head(address, timeout=FIRST_ANSWER_S).status_code)
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=ask, name="hub-answer", daemon=True)
    thread.start()
    thread.join(FIRST_ANSWER_S)
    if not outcome:
        raise TimeoutError(f"no answer within {FIRST_ANSWER_S:.0f} s")
    answer = outcome[0]
    if isinstance(answer, Exception):
        raise answer
    if answer == 429 or answer >= 500:
        raise ConnectionError(f"it answers with status {answer}")


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """The hub's warnings about attempts are left out: one error says it all."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
