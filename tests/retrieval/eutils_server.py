"""A server on this machine that speaks NCBI's E-utilities over records of our own, with faults.

`faults` is a queue of what to do instead of answering: each entry is taken by the next request for
its tool. Knows nothing of the client.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

Fault = Callable[["Eutils", BaseHTTPRequestHandler, dict[str, str]], bool]


@dataclass
class Eutils:
    """The state of the server: records by PMID, histories, and what was asked."""

    entered: dict[str, date]
    order: list[str]
    limit: int = 9_999
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    histories: dict[str, list[str]] = field(default_factory=dict)
    unsent: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    extra: str = ""
    url: str = ""

    @classmethod
    def of(cls, count: int) -> Eutils:
        """Hold `count` records, numbered from 1000, one entered a day up to 2024."""
        pmids = [str(1000 + n) for n in range(count)]
        last = date(2024, 12, 31)
        return cls({p: last - timedelta(days=n) for n, p in enumerate(pmids)}, pmids)

    def requests(self, tool: str) -> list[dict[str, str]]:
        """Return what a tool was asked, in order."""
        return [data for name, data in self.asked if name == tool]

    def matches(self, data: dict[str, str]) -> list[str]:
        """Return the PMIDs of a search; the term `nothing` matches none."""
        if data.get("term") == "nothing":
            return []
        first, last = (
            date(*map(int, data.get(key, default).split("/")))
            for key, default in (("mindate", "1500/01/01"), ("maxdate", "3000/01/01"))
        )
        return [p for p in self.order if first <= self.entered[p] <= last]

    def search(self, data: dict[str, str]) -> str:
        """Answer esearch."""
        found = self.matches(data)
        name = f"MCID_{len(self.histories)}"
        self.histories[name] = found[: self.limit]
        listed = found[: min(self.limit, int(data.get("retmax", "20")))]
        ids = "".join(f"<Id>{p}</Id>" for p in listed)
        return (
            '<?xml version="1.0" encoding="UTF-8" ?>\n'
            '<!DOCTYPE eSearchResult PUBLIC "-//NLM//DTD esearch 20060628//EN" '
            '"https://eutils.ncbi.nlm.nih.gov/eutils/dtd/20060628/esearch.dtd">\n'
            f"<eSearchResult><Count>{len(found)}</Count><RetMax>{len(listed)}</RetMax>"
            f"<RetStart>0</RetStart><QueryKey>1</QueryKey><WebEnv>{name}</WebEnv>"
            f"<IdList>{ids}</IdList><TranslationSet/>"
            f"<QueryTranslation>{escape(data['term'])}[All Fields]</QueryTranslation>{self.extra}"
            "</eSearchResult>"
        )

    def fetch(self, data: dict[str, str]) -> str:
        """Answer efetch, from a history or by number."""
        if "id" in data:
            pmids = [p for p in data["id"].split(",") if p in self.entered]
        elif data.get("WebEnv") not in self.histories:
            return error("Unable to obtain query #1")
        else:
            start = int(data["retstart"])
            pmids = self.histories[data["WebEnv"]][start : start + int(data["retmax"])]
        return record_set([p for p in pmids if p not in self.unsent], self.broken)


def error(text: str) -> str:
    """Return an error document as efetch sends it, with status 200 or 400."""
    return f'<?xml version="1.0" encoding="UTF-8" ?>\n<eFetchResult>\n\t<ERROR>{text}</ERROR>\n</eFetchResult>'


def record_set(pmids: list[str], broken: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    """Return a PubmedArticleSet; records in `broken` are not well-formed."""
    return (
        '<?xml version="1.0" ?>\n<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, '
        '1st January 2025//EN" "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">\n'
        f"<PubmedArticleSet>{''.join(_record(p, p in broken) for p in pmids)}</PubmedArticleSet>"
    )


def _record(pmid: str, broken: bool) -> str:
    title = f"Salt and pressure in ward {pmid}" + ("<b>" if broken else "")
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{pmid}'
        '</PMID><Article PubModel="Print"><Journal><JournalIssue CitedMedium="Print"><PubDate>'
        "<Year>2021</Year></PubDate></JournalIssue><Title>A journal of wards</Title></Journal>"
        f"<ArticleTitle>{title}</ArticleTitle><Abstract><AbstractText>Patients of ward {pmid} ate "
        "less salt and their pressure fell.</AbstractText></Abstract><Language>eng</Language>"
        '<PublicationTypeList><PublicationType UI="D016428">Journal Article</PublicationType>'
        "</PublicationTypeList></Article></MedlineCitation><PubmedData><ArticleIdList><ArticleId "
        f'IdType="pubmed">{pmid}</ArticleId></ArticleIdList></PubmedData></PubmedArticle>'
    )


def status(code: int, body: str = "", **headers: str) -> Fault:
    """Answer with a status, a body and headers."""

    def act(_: Eutils, handler: BaseHTTPRequestHandler, __: dict[str, str]) -> bool:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        reply(handler, body.encode(), code, named)
        return True

    return act


def body(text: str) -> Fault:
    """Answer 200 with this body."""
    return status(200, text)


def cut(server: Eutils, handler: BaseHTTPRequestHandler, data: dict[str, str]) -> bool:
    """Close the connection in the middle of the right answer."""
    whole = (server.search if "term" in data else server.fetch)(data).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(whole)))
    handler.end_headers()
    handler.wfile.write(whole[: len(whole) // 2])
    handler.close_connection = True
    return True


def cut_quietly(server: Eutils, handler: BaseHTTPRequestHandler, data: dict[str, str]) -> bool:
    """Send half of the right answer as if it were all."""
    whole = (server.search if "term" in data else server.fetch)(data).encode()
    reply(handler, whole[: len(whole) // 2])
    return True


def expire(server: Eutils, _: BaseHTTPRequestHandler, __: dict[str, str]) -> bool:
    """Forget all histories, then answer as ever."""
    server.histories.clear()
    return False


def hang(seconds: float) -> Fault:
    """Say nothing for a while."""

    def act(_: Eutils, handler: BaseHTTPRequestHandler, __: dict[str, str]) -> bool:
        time.sleep(seconds)
        handler.close_connection = True
        return True

    return act


def reply(
    handler: BaseHTTPRequestHandler,
    payload: bytes,
    code: int = 200,
    headers: dict[str, str] | None = None,
) -> None:
    """Send one whole answer."""
    handler.send_response(code)
    handler.send_header("Content-Type", "text/xml; charset=UTF-8")
    handler.send_header("Content-Length", str(len(payload)))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(payload)


class Running:
    """The server on a free port of this machine, until `stop`."""

    def __init__(self, eutils: Eutils) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                tool = self.path.rpartition("/")[2]
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                data = {key: values[0] for key, values in parse_qs(raw).items()}
                eutils.paths.append(self.path)
                eutils.asked.append((tool, data))
                for number, (name, fault) in enumerate(eutils.faults):
                    if name == tool:
                        del eutils.faults[number]
                        if fault(eutils, self, data):
                            return
                        break
                answer = eutils.search if tool == "esearch.fcgi" else eutils.fetch
                reply(self, answer(data).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        eutils.url = f"http://127.0.0.1:{self.http.server_address[1]}/entrez/eutils/"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self) -> None:
        """Stop and close."""
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()
