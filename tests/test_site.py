"""A site is read whole or refused with every fault named."""

from __future__ import annotations

import multiprocessing
import re
import stat
from pathlib import Path

import msgspec
import pytest
from reelkit.site import Site, SiteInvalid, Tier, load_site
from reelkit.site_secrets import open_secrets, secrets_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, text: str) -> Path:
    (folder / "site.toml").write_text(text, "utf-8")
    return folder


def faults(folder: Path, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(SiteInvalid) as refused:
        load_site(folder, environ or {})
    return refused.value.faults


def test_an_empty_file_is_a_working_site(folder: Path) -> None:
    site = load_site(write(folder, ""), {})
    assert site == Site(folder=folder)
    assert site.data == folder / "data"
    assert site.use.storage == "local"


@pytest.mark.parametrize("page", sorted((Path(__file__).parents[1] / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_what_the_docs_write_into_a_site_is_taken(folder: Path, page: Path) -> None:
    for block in re.findall(
        r"^```toml(?: title=\"site.toml\")?\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    ):
        load_site(write(folder, block), {})


def test_a_folder_without_a_site_says_how_to_make_one(folder: Path) -> None:
    assert faults(folder) == (f"{folder} is not a site: it has no site.toml. Make one with: reelkit site new {folder}",)


def test_an_unknown_setting_is_named_with_its_line_and_what_was_meant(folder: Path) -> None:
    write(folder, '# a site\n[site]\nname = "x"\n\n[databse]\nurl = "sqlite:x"\n[limits]\nsource_byte = 3\n')
    assert faults(folder) == (
        'site.toml line 6: unknown setting "databse.url". Did you mean "database.url"?',
        'site.toml line 8: unknown setting "limits.source_byte". Did you mean "limits.source_bytes"?',
    )


def test_a_setting_that_resembles_nothing_gets_the_list(folder: Path) -> None:
    assert faults(write(folder, "[jobs]\nzzz = 1\n")) == (
        'site.toml line 2: unknown setting "jobs.zzz". Known here: ladder, lease_seconds, transcodes.',
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[limits]\nsource_bytes = '30 GiB'", '2: "limits.source_bytes" must be a whole number of at least 1, not text'),
        ("[limits]\nsource_bytes = 0", '2: "limits.source_bytes" must be a whole number of at least 1'),
        ("[jobs]\nlease_seconds = true", '2: "jobs.lease_seconds" must be a number greater than 0, not true or false'),
        ("[playback]\nmode = 'closed'", '2: "playback.mode" must be one of "open", "session"'),
        (
            "[playback]\nmode = 'session'\nallowed_countries = ['Germany']",
            "3: \"playback.allowed_countries\" is wrong: 'Germany' is no country; write its two letters "
            "of ISO 3166, for example DE",
        ),
        ("[site]\nname = 5", '2: "site.name" must be "text in quotes", not a number'),
        ("site = 5", '1: "site" must be a table, not a number'),
        ("[tiers.gold]\nstreaming = 'yes'", '2: "tiers.gold.streaming" must be true or false, not text'),
        (
            "[network]\nallow_private = [\n'a',\n3]",
            '2: "network.allow_private" must be a list of "text in quotes"',
        ),
        ("[database]\nurl = 'mysql://x'", '2: "database.url" must start with "sqlite:" or "postgresql://"'),
        ("[site]\n\nbase_url = 'video.example.org'", '3: "site.base_url" must be a URL such as "https://video.example.org"'),
        (
            "[network]\nallow_private = [\"intranet\"]\ntrusted_proxies = ['x']",
            "3: \"network.trusted_proxies\" is wrong: 'x' is no IP address and no network such as 203.0.113.0/24",
        ),
        (
            "[network]\nallow_private = ['10.0.0.0/8']",
            "2: \"network.allow_private\" is wrong: '10.0.0.0/8' is no host; write it as in a URL: intranet, 10.0.0.7, "
            "127.0.0.1:9000, [::1]:8080",
        ),
        ("[plugins]\ns3 = 'x'", '2: "plugins.s3" must be a table'),
        ("[site\n", "1: this is not TOML: expected ']' at the end of a table declaration"),
        ("[site]\nname = \n", "2: this is not TOML: invalid value"),
        ("[site]\nname = 'a'\nname = 'b'\n", "3: this is not TOML: cannot overwrite a value"),
    ],
)
def test_a_wrong_value_is_told_what_is_right(folder: Path, text: str, fault: str) -> None:
    assert faults(write(folder, text)) == (f"site.toml line {fault}",)


def test_a_file_in_another_encoding_is_told_with_its_line(folder: Path) -> None:
    (folder / "site.toml").write_bytes('[site]\nname = "café"\n'.encode("latin-1"))
    assert faults(folder) == ("site.toml line 2: this is not UTF-8 text. Save the file as UTF-8",)


def test_a_byte_order_mark_is_no_fault(folder: Path) -> None:
    (folder / "site.toml").write_bytes(b'\xef\xbb\xbf[site]\r\nname = "x"\r\n[jobs]\r\ntranscodes = 2\r\n')
    site = load_site(folder, {})
    assert (site.site.name, site.jobs.transcodes, site.origins.line(("jobs", "transcodes"))) == ("x", 2, 4)


def test_lines_are_right_after_multi_line_values(folder: Path) -> None:
    write(folder, '[site]\nname = """\nthree\n[lines]\n"""\n[network]\nallow_private = [\n  "a", # [x]\n]\nallow = 1\n')
    assert faults(folder)[0].startswith('site.toml line 10: unknown setting "network.allow".')


def test_dotted_keys_and_inline_tables_are_found(folder: Path) -> None:
    assert faults(write(folder, "jobs.transcodes = 'x'\ntiers = { gold = { limit = 'x' } }\n")) == (
        'site.toml line 1: "jobs.transcodes" must be a whole number of at least 1, not text',
        'site.toml line 2: "tiers.gold.limit" must be a whole number of at least 1, not text',
    )


def test_all_faults_are_told_at_once(folder: Path) -> None:
    write(folder, "[site]\nname = 1\n[jobs]\ntranscodes = 'x'\n")
    assert len(faults(folder, {"REELKIT_LIMITS__DURATION_MINUTES": "long"})) == 3


def test_the_environment_wins_and_is_typed(folder: Path) -> None:
    write(folder, '[site]\nname = "file"\n[plugins.my-store]\nbucket = "a"\n')
    environ = {
        "REELKIT_SITE": "/elsewhere",
        "REELKIT_SITE__NAME": "environment",
        "REELKIT_JOBS__TRANSCODES": "3",
        "REELKIT_TIERS__PUBLIC__STREAMING": "true",
        "REELKIT_NETWORK__ALLOW_PRIVATE": '["10.0.0.1"]',
        "REELKIT_PLUGINS__S3__BUCKET": "videos",
        "REELKIT_PLUGINS__MY_STORE__BUCKET": "b",
    }
    site = load_site(folder, environ)
    assert site.site.name == "environment"
    assert site.jobs.transcodes == 3
    assert site.tiers["public"] == Tier(limit=10, streaming=True)
    assert site.network.allow_private == ("10.0.0.1",)
    assert site.plugins == {"my-store": {"bucket": "b"}, "s3": {"bucket": "videos"}}


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("REELKIT_JOBS__TRANSCODES", "two", '"jobs.transcodes" must be a whole number of at least 1'),
        (
            "REELKIT_NETWORK__ALLOW_PRIVATE",
            "a,b",
            '"network.allow_private" must be a list of "text in quotes", written as JSON',
        ),
        ("REELKIT_DATABSE__URL", "sqlite:x", 'unknown setting "databse.url". Did you mean "database.url"?'),
        ("REELKIT_DATABASE_URL", "x", 'settings are named with two underscores, as in "REELKIT_DATABASE__URL"'),
    ],
)
def test_a_wrong_variable_is_named(folder: Path, variable: str, value: str, fault: str) -> None:
    assert faults(write(folder, ""), {variable: value}) == (f"environment variable {variable}: {fault}",)


def test_a_tier_that_is_written_in_part_keeps_the_rest(folder: Path) -> None:
    site = load_site(write(folder, "[tiers.public]\nlimit = 20\n[tiers.gold]\nlimit = 5\n"), {})
    assert site.tiers["public"] == Tier(limit=20, window=60, streaming=False)
    assert site.tiers["partner"] == Tier(limit=1000, sandbox_limit=400)
    assert site.tiers["gold"] == Tier(limit=5)


def test_a_tier_may_have_figures_of_its_own_for_each_kind(folder: Path) -> None:
    write(folder, "[tiers.standard]\nuploads = 100\nreads = 500\nsandbox_reads = 100\nsession_limit = 30\n")
    site = load_site(folder, {"REELKIT_TIERS__STANDARD__WRITES": "200"})
    assert site.tiers["standard"] == Tier(
        sandbox_limit=40, uploads=100, writes=200, reads=500, sandbox_reads=100, session_limit=30
    )


def test_what_happens_without_valkey_is_one_of_three(folder: Path) -> None:
    assert load_site(write(folder, "[valkey]\nwhen_down = 'refuse'\n"), {}).valkey.when_down == "refuse"
    assert "valkey.when_down" in faults(write(folder, "[valkey]\nwhen_down = 'panic'\n"))[0]


def test_a_base_url_loses_its_trailing_slash(folder: Path) -> None:
    assert load_site(write(folder, '[site]\nbase_url = "https://v.example/"'), {}).site.base_url == "https://v.example"


def test_no_password_is_in_a_repr_or_a_message(folder: Path) -> None:
    write(folder, '[database]\nurl = "postgresql://me:hunter2@db/x"\n[plugins.s3]\nsecret = "hunter3"\n')
    site = load_site(folder, {"REELKIT_PLUGINS__S3__TOKEN": "hunter4"})
    assert "hunter" not in repr(site) + repr(site.database) + repr(site.origins)
    assert "postgresql://me:***@db/x" in repr(site.database)
    wrong = write(folder, "[jobs]\ntranscodes = 'hunter2'")
    assert "hunter" not in " ".join(faults(wrong))


def test_secrets_are_made_once_and_only_for_the_owner(folder: Path) -> None:
    site = load_site(write(folder, ""), {})
    made = open_secrets(site, {})
    assert open_secrets(site, {}).signing == made.signing
    assert stat.S_IMODE(secrets_file(site).stat().st_mode) == 0o600
    assert [file.name for file in site.data.iterdir()] == ["secrets.json"]
    assert made.signing not in repr(made)


def _open(folder: Path, barrier: multiprocessing.synchronize.Barrier, answers: multiprocessing.Queue[str]) -> None:
    barrier.wait()
    answers.put(open_secrets(Site(folder=folder), {}).signing)


def test_processes_that_start_at_once_agree_on_the_secret(folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(8), context.Queue()
    racers = [context.Process(target=_open, args=(folder, barrier, answers)) for _ in range(8)]
    for racer in racers:
        racer.start()
    assert len({answers.get(timeout=60) for _ in racers}) == 1
    for racer in racers:
        racer.join()


def test_the_newest_secret_signs_and_all_verify(folder: Path) -> None:
    new, old = "n" * 32, "o" * 32
    secrets = open_secrets(Site(folder=folder), {"REELKIT_SECRETS": msgspec.json.encode([new, old]).decode()})
    assert secrets.signing == new
    assert secrets.verifying == (new, old)
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({"REELKIT_SECRET": "short"}, "needs at least 32 characters"),
        ({"REELKIT_SECRETS": "x"}, "must be a JSON list"),
        ({"REELKIT_SECRETS": "[]"}, "holds no secret"),
    ],
)
def test_a_weak_secret_is_refused_without_showing_it(folder: Path, environ: dict[str, str], fault: str) -> None:
    with pytest.raises(SiteInvalid, match=fault) as refused:
        open_secrets(Site(folder=folder), environ)
    assert "short" not in str(refused.value)
