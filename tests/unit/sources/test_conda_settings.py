"""conda's settings, as far as they say where packages come from: beside a real conda where there is one."""

from __future__ import annotations

import pytest

from conda_pack.errors import SourceProblem
from conda_pack.sources.conda_settings import CondaSettings, conda_settings


def read(*texts: str, **environ: str) -> CondaSettings:
    """The settings of files, the last of which wins."""
    return conda_settings([(f"{number}.condarc", text) for number, text in enumerate(texts)], environ)


def test_nothing_said() -> None:
    """As conda is without settings, but for strict priority, which is rattler's."""
    assert read() == read("") == read("{}") == CondaSettings()
    assert read().expand(["conda-forge", "nodefaults"], "linux-64") == ("conda-forge",)


def test_channels() -> None:
    """Names, URLs, what stands for several, and what is somewhere else."""
    settings = read(
        """
        channels: [mine, defaults]
        default_channels: ["https://one.invalid/main"]
        channel_alias: https://alias.invalid/
        custom_channels: {mine: "https://two.invalid/conda/", mine/deep: "https://three.invalid"}
        custom_multichannels: {every: [mine, defaults, "https://one.invalid/main"]}
        """
    )
    assert settings.channels == ("mine", "defaults")
    assert settings.channel_alias == "https://alias.invalid/"
    assert settings.expand(["mine", "mine/deep/er", "mine/label/x", "other"], "linux-64") == (
        "https://two.invalid/conda/mine",
        "https://three.invalid/mine/deep/er",
        "https://two.invalid/conda/mine/label/x",
        "other",
    )
    assert settings.expand(["every"], "win-64") == (
        "https://two.invalid/conda/mine",
        "https://one.invalid/main",
    )


@pytest.mark.parametrize(
    ("platform", "expected"), [("linux-64", ("main", "r")), ("win-64", ("main", "r", "msys2"))]
)
def test_defaults(platform: str, expected: tuple[str, ...]) -> None:
    """conda's own, where no settings say others."""
    assert read().expand(["defaults"], platform) == expected


def test_later_files_win_and_maps_are_joined() -> None:
    """As in conda."""
    settings = read(
        "channel: one\ncustom_channels: {a: 'https://a.invalid', b: 'https://b.invalid'}\noffline: true",
        "channels: [two]\ncustom_channels: {b: 'https://c.invalid'}\noffline: false",
    )
    assert settings.channels == ("two",)
    assert dict(settings.custom_channels) == {"a": "https://a.invalid", "b": "https://c.invalid"}
    assert settings.offline is False


def test_variables_win() -> None:
    """``CONDA_CHANNELS`` and its like."""
    settings = read("channels: [one]", CONDA_CHANNELS="two,three", CONDA_OFFLINE="1")
    assert (settings.channels, settings.offline) == (("two", "three"), True)


@pytest.mark.parametrize(
    ("text", "strict"),
    [
        ("channel_priority: flexible", True),
        ("channel_priority: disabled", False),
        ("channel_priority: false", False),
    ],
)
def test_priority(text: str, strict: bool) -> None:
    """What rattler can: strictly, or not at all."""
    assert read(text).strict is strict


def test_as_rattler() -> None:
    """Certificates and proxies, in rattler's own words."""
    settings = read('ssl_verify: False\nproxy_servers: {https: "http://p.invalid:3128", http: null}')
    assert settings.as_rattler == ('tls-no-verify = true\n[proxy-config]\nhttps = "http://p.invalid:3128"')
    assert read("ssl_verify: /etc/ca.pem").as_rattler == ""


def test_settings_that_are_no_yaml() -> None:
    """Each file that is none, by its name."""
    with pytest.raises(SourceProblem) as error:
        read("channels: [", "a: 1", "b: : c")
    assert [line.partition(" is not YAML: line ")[0] for line in str(error.value).splitlines()] == [
        "0.condarc",
        "2.condarc",
    ]
