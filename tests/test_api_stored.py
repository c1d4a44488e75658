"""Answers that are given again as bytes: the same answer, never another's, never an old one."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.responses import JSONResponse

from cadran.api.stored import Answer, Answers, Stored
from cockpit import get


class Workspace:
    """A project whose served snapshot the test moves."""

    snapshot = "one"

    def served(self):
        return self.snapshot


class Application:
    """Answers with the number of requests that came through, or fails."""

    def __init__(self):
        self.asked = []
        self.status = 200

    async def __call__(self, scope, receive, send):
        self.asked.append(scope["path"])
        answer = JSONResponse({"n": len(self.asked), "text": "x" * 100}, self.status)
        await answer(scope, receive, send)


@pytest.fixture
def workspace():
    return Workspace()


@pytest.fixture
def behind():
    return Application()


@pytest.fixture
def app(behind, workspace):
    return Stored(behind, workspace)


def test_the_second_answer_is_the_first_to_the_byte_and_asks_nobody(app, behind):
    first, second = get(app, "/api/kpi?kpi=mrr"), get(app, "/api/kpi?kpi=mrr")
    assert (first.content, first.headers["etag"]) == (second.content, second.headers["etag"])
    assert second.headers["content-type"] == "application/json"
    assert len(behind.asked) == 1


def test_a_client_that_has_the_answer_is_told_so(app, behind):
    etag = get(app, "/api/kpi?kpi=mrr").headers["etag"]
    known = get(app, "/api/kpi?kpi=mrr", if_none_match=etag)
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    assert get(app, "/api/kpi?kpi=mrr", if_none_match='"another"').status_code == 200
    assert len(behind.asked) == 1


@pytest.mark.parametrize(
    "other",
    [{"url": "/api/kpi?kpi=arr"}, {"accept_language": "fr"}, {"accept_encoding": "gzip"}, {"url": "/api/rows?kpi=mrr"}],
)
def test_another_question_language_or_encoding_is_another_answer(app, behind, other):
    asked = {"url": "/api/kpi?kpi=mrr", "accept_language": "en", "accept_encoding": "identity"}
    get(app, **asked)
    get(app, **{**asked, **other})
    assert len(behind.asked) == 2


def test_a_new_snapshot_answers_anew(app, behind, workspace):
    before = get(app, "/api/kpi?kpi=mrr")
    workspace.snapshot = "two"
    assert get(app, "/api/kpi?kpi=mrr").content != before.content
    assert len(behind.asked) == 2


def test_an_answer_given_while_a_build_ended_is_not_kept(behind, workspace):
    class Building(Application):
        async def __call__(self, scope, receive, send):
            workspace.snapshot = f"after {len(self.asked)}"
            await super().__call__(scope, receive, send)

    slow = Building()
    app = Stored(slow, workspace)
    get(app, "/api/kpi?kpi=mrr")
    workspace.snapshot = "after 0"
    get(app, "/api/kpi?kpi=mrr")
    assert len(slow.asked) == 2


def test_people_do_not_get_each_other_s_answers(behind, workspace):
    app = Stored(behind, workspace, person=lambda scope: dict(scope["headers"]).get(b"x-person", b"").decode() or None)
    for person in ("ada", "bob", "ada"):
        get(app, "/api/kpi?kpi=mrr", x_person=person)
    assert len(behind.asked) == 2
    get(app, "/api/kpi?kpi=mrr")
    get(app, "/api/kpi?kpi=mrr")
    assert len(behind.asked) == 4


def test_errors_pages_and_what_changes_by_itself_are_not_kept(app, behind):
    behind.status = 400
    assert [get(app, "/api/kpi?kpi=no").status_code for _ in range(2)] == [400, 400]
    behind.status = 200
    for path in ("/", "/api/health"):
        get(app, path)
        get(app, path)
    assert len(behind.asked) == 6


def test_before_the_first_build_nothing_is_kept(app, behind, workspace):
    workspace.snapshot = ""
    get(app, "/api/kpi?kpi=mrr")
    get(app, "/api/kpi?kpi=mrr")
    assert len(behind.asked) == 2


def test_the_oldest_answers_make_room():
    kept = Answers(most_bytes=5000)
    for name in "abcd":
        kept.put(name, Answer([], name.encode() * 500, b'"x"'))
        kept.get("a")
    assert [name for name in "abcd" if kept.get(name)] == ["a", "c", "d"]
    kept.put("huge", Answer([], b"x" * 9000, b'"x"'))
    assert kept.get("huge") is None


def test_fifty_threads_at_once_get_the_same_answer(app, behind):
    get(app, "/api/kpi?kpi=mrr")
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda _: get(app, "/api/kpi?kpi=mrr").content, range(200)))
    assert len(set(found)) == len(behind.asked) == 1


def test_what_is_no_request_goes_through(app):
    started = []

    class Lifespan:
        async def __call__(self, scope, _receive, _send):
            started.append(scope["type"])

    asyncio.run(Stored(Lifespan(), Workspace())({"type": "lifespan"}, None, None))
    assert started == ["lifespan"]
