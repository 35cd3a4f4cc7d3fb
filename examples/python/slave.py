#!/usr/bin/env python3
"""A muster slave in plain Python 3, after docs/slave-protocol.md.

    python3 slave.py --name py-1 --listen 127.0.0.1:9301 --slots 2 --masters http://127.0.0.1:8101,http://127.0.0.1:8102

It runs the kind "wordcount": the result is how many words the expression has. The
parameter "seconds" makes it take so long. To run something else, write another handle()."""
import argparse, contextlib, http.client, json, os, re, secrets, signal, sys, threading, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KINDS, LABELS, VERSION = [dict(name="wordcount", idempotent=True)], {}, "python example"
NOT_WANTED = ("stale_attempt", "task_not_found", "task_forgotten", "wrong_incarnation")

def handle(order, stop):
    """Runs a task and returns (result, its type). It returns when stop is set; an exception fails the task."""
    stop.wait(float(order.get("parameters", {}).get("seconds", 0)))
    return str(len(order["expression"].split())), "number"

class Refusal(Exception): pass  # its arguments are the status and the body

class Slave:
    """Fence, duplicates, slots and counter change together, under one lock."""
    def __init__(self, args):
        self.name, self.slots, self.url = args.name, args.slots, "http://" + args.listen
        self.masters, self.leader = args.masters.split(","), None  # leader: who answered last
        self.incarnation = secrets.token_hex(8)  # new at every start
        self.lock = threading.Condition()
        self.cluster, self.fences = None, {}  # that of the masters, once they have said it; the highest stamp of each that asks
        self.counter, self.free = 0, args.slots
        self.attempts = {}  # (id, attempt): {state: running, finished or settled; stop; cancelled; result}
        self.draining, self.asked, self.doubt = False, time.monotonic(), False
    def count(self, state):
        return sum(a["state"] == state for a in self.attempts.values())
    def change(self):
        """Brings free and its counter up to date, whoever holds the lock and has changed something."""
        full = self.draining or self.count("finished") >= 1000  # that nobody has taken: no more work
        free = 0 if full else self.slots - self.count("running")
        if free != self.free:
            self.free, self.counter = free, self.counter + 1
        self.lock.notify_all()
    def word(self, **more):
        """What every good answer says of the slots."""
        return dict(available=self.free > 0, answer="I am available." if self.free else "I am not available.", free=self.free,
                    slots=self.slots, incarnation=self.incarnation, counter=self.counter, **more)
    def admit(self, cluster, stamp, incarnation=None):
        """Refuses other clusters, what is not newer than the newest request, and what is meant for another start."""
        if stamp and cluster and (cluster != self.cluster if self.cluster else len(self.fences) > 8):
            raise Refusal(409, dict(code="wrong_cluster", error=f"of cluster {cluster}; this slave works for {self.cluster}", cluster=self.cluster))
        if stamp and any(stamp <= seen for of, seen in self.fences.items() if of == cluster or not of or not cluster):
            raise Refusal(409, dict(code="stale_term", error="the request is older than one that was seen"))
        if stamp:
            self.fences[cluster], self.asked = stamp, time.monotonic()
        if incarnation not in (None, self.incarnation):
            raise Refusal(409, dict(code="wrong_incarnation", error="this is another incarnation", incarnation=self.incarnation))
        self.cluster = self.cluster or incarnation and cluster  # who knows the incarnation is one of the masters
    def accept(self, order):
        key, receipt = (order["id"], order["attempt"]), dict(id=order["id"], attempt=order["attempt"])
        if known := self.attempts.get(key):
            return dict(receipt, status="finished", **known["result"]) if known["result"] else dict(receipt, status="running")
        for refused, reason in ((any(k[0] == key[0] and k[1] > key[1] for k in self.attempts), "superseded"),
                                (all(order["kind"] != k["name"] for k in KINDS), "unknown_kind"),
                                (self.draining, "draining"), (self.free == 0, "no_slot")):
            if refused: return dict(receipt, status="refused", reason=reason)
        attempt = self.attempts[key] = dict(state="running", stop=threading.Event(), cancelled=False, result=None)
        self.change()
        threading.Thread(target=self.run, args=(order, attempt), daemon=True).start()
        return dict(receipt, status="accepted")
    def cancel(self, key):
        attempt = self.attempts.get(key)
        if attempt and attempt["state"] == "running":  # the slot is free when handle has returned
            attempt["cancelled"] = True
            attempt["stop"].set()
    def run(self, order, attempt):
        late = threading.Timer((order.get("timeout_ms") or 300_000) / 1000, attempt["stop"].set)
        late.daemon = True
        late.start()
        try:
            text, kind = handle(order, attempt["stop"])
            result = dict(outcome="succeeded", result=text, result_type=kind)
            if attempt["stop"].is_set():
                result = dict(outcome="failed", error="timed out")
        except Exception as e:  # a mistake of the handler fails its task and nothing else
            result = dict(outcome="failed", error=repr(e)[:1000])
        late.cancel()
        with self.lock:
            if attempt["cancelled"]:
                result = dict(outcome="cancelled", error="cancelled by a master")
            attempt.update(state="settled" if attempt["cancelled"] else "finished", result=result)
            self.change()
    def report(self):
        """Repeats each result until a master has taken it or does not want it. One thread does this."""
        pause = 0.02
        while True:
            with self.lock:
                batch = [k for k, a in self.attempts.items() if a["state"] == "finished"][:100]
                if not batch:
                    self.lock.wait(1)
                    continue
                body = dict(slave=self.name, incarnation=self.incarnation, free=self.free, slots=self.slots, counter=self.counter,
                            results=[dict(id=k[0], attempt=k[1], **self.attempts[k]["result"]) for k in batch])
            status, answer = self.call("/v1/results", body)
            final = [(v["id"], v["attempt"]) for v in answer.get("results", []) if v.get("accepted") or v.get("code") in NOT_WANTED]
            if answer.get("code") == "wrong_incarnation":
                final = batch  # another start of this slave has taken over
            self.doubt = answer.get("code") == "wrong_cluster"
            with self.lock:
                for k in final:
                    self.attempts[k]["state"] = "settled"
                for k in [k for k, a in self.attempts.items() if a["state"] == "settled"][:-4096]:
                    del self.attempts[k]  # the newest are kept, for duplicates
                self.change()
            pause = 0.02 if final else min(pause * 2, 1)
            time.sleep(0 if final else pause)
    def register(self):
        """Registers, and again when no master has asked anything for a while. One thread does this."""
        body = dict(name=self.name, url=self.url, slots=self.slots, incarnation=self.incarnation, kinds=KINDS, labels=LABELS, version=VERSION)
        known = False
        while not self.draining:
            if not known or time.monotonic() - self.asked > (5 if self.doubt else 45):
                status, answer = self.call("/v1/slaves", body)
                if status == 200 or answer.get("code") == "wrong_cluster":
                    self.cluster = self.cluster or answer["named"]
                    if answer["named"] not in (None, self.cluster):  # the masters are another cluster: a new start, with nothing of the old
                        os.execv(sys.executable, [sys.executable, *sys.argv])
                known, self.asked = status == 200, time.monotonic()
            time.sleep(0.5)
    def call(self, path, body):
        """Asks the masters in turn, the last leader first, and follows redirects. Returns status and answer."""
        strange = 0, {}
        for base in ([self.leader] if self.leader else []) + self.masters:
            for _ in range(3):
                status, answer, location = self.ask(base + path, body)
                if status != 307 or not location: break
                base = location.removesuffix(path)
            if answer.get("code") == "wrong_cluster":  # the others may be the right one
                strange = status, answer
            elif 200 <= status < 500 and status != 307:  # a leader has spoken
                self.leader = base
                return status, answer
        self.leader = None
        return strange
    def ask(self, url, body):
        u = urllib.parse.urlsplit(url)
        try:
            with contextlib.closing(http.client.HTTPConnection(u.netloc, timeout=5)) as connection:
                named = {"Muster-Cluster": self.cluster} if self.cluster and u.path == "/v1/results" else {}
                connection.request("POST", u.path, json.dumps(body), {"Content-Type": "application/json", **named})
                r = connection.getresponse()
                return r.status, dict(json.loads(r.read()), named=r.headers.get("Muster-Cluster")), r.headers.get("Location")
        except (OSError, ValueError, http.client.HTTPException):  # nobody there, hung up, or not JSON
            return 0, {}, None
    def end(self):
        """Takes nothing new, finishes and reports what it has, and says goodbye."""
        with self.lock:
            self.draining = True
            self.change()
            if not self.lock.wait_for(lambda: self.count("settled") == len(self.attempts), timeout=60):
                return  # a goodbye would let a master start elsewhere what runs here
        for _ in range(20):
            if self.call(f"/v1/slaves/{self.name}/leave", dict(incarnation=self.incarnation))[0]: return
            time.sleep(0.5)

class Handler(BaseHTTPRequestHandler):
    protocol_version, slave = "HTTP/1.1", None  # 1.1 keeps connections
    def do_GET(self): self.answer(self.get)
    def do_POST(self): self.answer(self.post)
    def log_message(self, *_): pass
    def answer(self, serve):
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            term, sequence = self.headers.get("Muster-Term"), self.headers.get("Muster-Sequence")
            with self.slave.lock:
                status, out = 200, serve(self.slave, (int(term), int(sequence)) if term or sequence else None, body)
        except Refusal as r:
            status, out = r.args
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            status, out = 400, dict(error=f"the request can't be read: {e!r}", code="invalid_request")
        text = json.dumps(out).encode()
        self.send_response(status)
        for header in (("Content-Type", "application/json"), ("Content-Length", str(len(text)))): self.send_header(*header)
        self.end_headers()
        self.wfile.write(text)
    def get(self, slave, stamp, _):
        if self.path not in ("/available", "/tasks"):
            raise Refusal(404, dict(code="not_found", error="there is nothing at " + self.path))
        slave.admit(self.headers.get("Muster-Cluster"), stamp)
        held = [dict(id=k[0], attempt=k[1], status=a["state"]) for k, a in slave.attempts.items() if a["state"] != "settled"]
        return slave.word(tasks=held) if self.path == "/tasks" else slave.word()
    def post(self, slave, stamp, text):
        cancel = re.fullmatch(r"/tasks/([1-9][0-9]*)/cancel", self.path)
        if not stamp or not cancel and self.path != "/tasks":
            raise Refusal(400, dict(code="invalid_request", error="not a leader's request, or one without a stamp: POST " + self.path))
        body = json.loads(text)
        orders = [] if cancel else [dict(o, id=int(o["id"]), attempt=int(o["attempt"]), kind=str(o["kind"])) for o in body["tasks"]]
        key = (int(cancel[1]), int(body["attempt"])) if cancel else None
        slave.admit(self.headers.get("Muster-Cluster"), stamp, str(body["incarnation"]))
        slave.cancel(key)
        receipts = [slave.accept(o) for o in orders]
        return slave.word() if cancel else slave.word(tasks=receipts)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for flag, default in (("--name", "py-1"), ("--listen", "127.0.0.1:9301"), ("--masters", "http://127.0.0.1:8101"), ("--slots", 2)):
        parser.add_argument(flag, default=default, type=type(default))
    args = parser.parse_args()
    Handler.slave = slave = Slave(args)
    server = ThreadingHTTPServer((args.listen.rsplit(":", 1)[0], int(args.listen.rsplit(":", 1)[1])), Handler)  # it listens before it registers
    ended = threading.Event()
    for s in (signal.SIGTERM, signal.SIGINT): signal.signal(s, lambda *_: ended.set())
    for work in (server.serve_forever, slave.report, slave.register): threading.Thread(target=work, daemon=True).start()
    ended.wait()
    slave.end()
