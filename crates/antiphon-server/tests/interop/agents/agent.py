"""Drives one session of the Python SDK over stdin and stdout, one JSON object a line.

In:  {"id": 1, "command": "connect", ...}
Out: {"id": 1, "result": ...} or {"id": 1, "error": {"class": ..., "message": ...}},
     and, unasked, {"event": ...}.

Commands run concurrently, so answers come in any order. Serves the releases 6.6rc1 and
6.12.2, whose APIs differ. Judges nothing: what an answer should be is the test's business.
"""

import asyncio
import inspect
import json
import os
import re
import sys
from importlib.metadata import version

# The SDKs log to stdout: keep the real one for the protocol and send the logs to stderr.
PROTOCOL = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import diffusion  # noqa: E402
from diffusion import datatypes  # noqa: E402

VERSION = version("diffusion")
IS_66 = VERSION.startswith("6.6")
LONGEST_LINE = 64 * 1024 * 1024
CLOSE_SECONDS = 3
POLL_SECONDS = 0.02
SESSION_ID = re.compile("([0-9a-f]{16})-([0-9a-f]{16})")
BOTH_HALVES = (1 << 64) - 1


def emit(message):
    PROTOCOL.write(json.dumps(message) + "\n")
    PROTOCOL.flush()


def decode(type_name, value):
    """JSON form to the SDK's native value; int64 is decimal text, binary is hex."""
    if type_name == "int64":
        return int(value)
    if type_name == "double":
        return float(value)
    if type_name == "binary":
        return bytes.fromhex(value)
    return value


def type_argument(form):
    """A data type as the SDK takes it: its name, its number, or {"class": name} for its class."""
    return datatypes.get(form["class"]) if isinstance(form, dict) else form


def encode(type_name, value):
    if value is not None and type_name == "int64":
        value = str(value)
    if value is not None and type_name == "binary":
        value = value.hex()
    return {"type": type_name, "value": value}


def encode_response(response):
    if response is None:
        return {"type": None, "value": None}
    return encode(response.type_name, response.value)


def session_id_text(session_id):
    """The id's printed form; 6.6rc1 hands ids over as plain signed pairs in places."""
    server, client = getattr(session_id, "server", None), getattr(session_id, "value", None)
    if server is None:
        server, client = session_id
    return f"{server & BOTH_HALVES:016x}-{client & BOTH_HALVES:016x}"


def parse_session_id(text):
    server, client = SESSION_ID.fullmatch(text).groups()
    return diffusion.SessionId(int(server, 16), int(client, 16))


def filter_event(session_filter, outcome, context):
    event = {"event": "filter_response", "filter": session_filter, **outcome}
    if context.get("session_id") is not None:
        event["session_id"] = session_id_text(context["session_id"])
    for count in ("received", "expected"):
        event[count] = context.get(count)
    emit(event)


class Api66:
    """The calls of 6.6rc1: bare callables, and a messaging component beside the session."""

    def __init__(self, session):
        self.messaging = diffusion.Messaging(session)
        self.topics = diffusion.Topics(session)

    async def register(self, path, answer, types, keys):
        await self.messaging.register_request_handler(
            path,
            callback=self._callback(answer, path),
            request_type=types[0],
            response_type=types[1],
            session_properties=keys,
        )

    def stream(self, path, answer, types, addressed):
        callback = self._callback(answer, path)
        self.messaging.add_request_handler(path, callback, *types, addressed=addressed)

    def filter_handler(self, session_filter, errors):
        async def on_response(response, context):
            filter_event(session_filter, {"value": encode_response(response)}, context)

        async def on_error(code, description):
            filter_event(session_filter, {"error": {"code": code, "message": description}}, {})

        callbacks = (on_response, on_error) if errors else (on_response,)
        self.messaging.add_filter_response_handler(session_filter, *callbacks)

    @staticmethod
    def _callback(answer, path):
        async def callback(value, context):
            sender = context and context["sender_session_id"]
            return await answer(value, {"path": path, "sender": sender})

        return callback


class Api612:
    """The calls of 6.7 and later: handler objects, and messaging as part of the session."""

    def __init__(self, session):
        from diffusion.handlers import EventStreamHandler
        from diffusion.messaging import RequestHandler

        self.messaging = session.messaging
        self.topics = session.topics
        self._request_handler = RequestHandler
        self._event_handler = EventStreamHandler
        session.add_listener(self._state_listener())

    async def register(self, path, answer, types, keys):
        handler = self._request_handler(self._callback(answer, path), *types)
        await self.messaging.add_request_handler(path, handler, session_properties=keys)

    def stream(self, path, answer, types, addressed):
        handler = self._request_handler(self._callback(answer, path), *types)
        self.messaging.add_stream_handler(path, handler, addressed=addressed)

    def filter_handler(self, session_filter, errors):
        async def on_response(response=None, **context):
            filter_event(session_filter, {"value": encode_response(response)}, context)

        async def on_error(*args, **context):
            filter_event(session_filter, {"error": {"message": repr(args or context)}}, context)

        callbacks = {"response": on_response, **({"error": on_error} if errors else {})}
        handler = self._event_handler(**callbacks)
        self.messaging.add_filter_response_handler(session_filter, handler)

    @staticmethod
    def _callback(answer, path):
        async def callback(value, path=path, sender_session_id=None, session_properties=None, **_):
            context = {"path": path, "sender": sender_session_id, "properties": session_properties}
            return await answer(value, context)

        return callback

    @staticmethod
    def _state_listener():
        from diffusion.session import SessionListener

        class Listener(SessionListener):
            async def on_session_event(self, *, session, old_state, new_state):
                emit({"event": "state", "state": new_state.name})

        return Listener()


class Agent:
    """One session at a time, its handlers, and the requests that they hold back."""

    def __init__(self):
        self.session = None
        self.api = None
        self.held = []
        self.silenced = []
        self.locks = {}
        self.running = {}

    async def run(self, line):
        command = json.loads(line)
        identity, name = command.pop("id"), command.pop("command")
        self.running[identity] = asyncio.current_task()
        try:
            result = await COMMANDS[name](self, **command)
            emit({"id": identity, "result": result})
        except (Exception, asyncio.CancelledError) as error:
            emit({"id": identity, "error": describe(error)})
        finally:
            del self.running[identity]

    async def version(self):
        return {"sdk": "python", "version": VERSION}

    async def connect(
        self, host, port, principal="", password=None, properties=None, reconnect=None,
        encrypted=False,
    ):
        url = f"{'wss' if encrypted else 'ws'}://{host}:{port}"
        credentials = None if password is None else diffusion.Credentials(password)
        options = {} if reconnect is None else {"attributes": comes_back(reconnect)}
        session = diffusion.Session(url, principal, credentials, properties or {}, **options)
        api = Api66(session) if IS_66 else Api612(session)
        await session.connect()
        self.session, self.api = session, api
        return {"session_id": session_id_text(session.session_id)}

    async def close(self):
        session, self.session = self.session, None
        await session.close()

    async def reset(self):
        """Back to a fresh agent; fails when the old session cannot be closed quickly."""
        for task in list(self.running.values()):
            if task is not asyncio.current_task():
                task.cancel()
        self._let_go(asyncio.Future.cancel)
        self.locks = {}
        if self.session is not None:
            await asyncio.wait_for(self.close(), CLOSE_SECONDS)

    async def cancel(self, target):
        self.running[target].cancel()

    async def ping(self):
        await self.session.ping_server()

    async def closed(self):
        """Waits for the end of the session, of which 6.6rc1 gives no notice."""
        while not self.session.state.closed:
            await asyncio.sleep(POLL_SECONDS)
        return {"state": self.session.state.name}

    async def add_topic(self, path):
        await self.api.topics.add_topic(path, datatypes.STRING)

    async def subscribe(self, selector):
        await self.api.topics.subscribe(selector)

    async def register(self, path, request_type, response_type, behaviour, keys=()):
        types = (type_argument(request_type), type_argument(response_type))
        await self.api.register(path, self._answer(types[0], behaviour), types, keys)

    async def stream(self, path, request_type, response_type, behaviour, addressed=True):
        types = (type_argument(request_type), type_argument(response_type))
        self.api.stream(path, self._answer(types[0], behaviour), types, addressed)

    async def filter_handler(self, filter, errors=True):
        self.api.filter_handler(filter, errors)

    async def request_path(self, path, type, value, response_type=None):
        request = datatypes.get(type)(decode(type, value))
        response = await self.api.messaging.send_request_to_path(
            path, request, type_argument(response_type)
        )
        return encode_response(response)

    async def request_session(self, path, session_id, type, value, response_type=None):
        request = datatypes.get(type)(decode(type, value))
        response = await self.api.messaging.send_request_to_session(
            path, parse_session_id(session_id), request, type_argument(response_type)
        )
        return encode_response(response)

    async def request_filter(self, filter, path, type, value):
        request = datatypes.get(type)(decode(type, value))
        return {"count": await self.api.messaging.send_request_to_filter(filter, path, request)}

    async def release(self):
        return {"released": self._let_go(lambda held: held.set_result(None))}

    async def lock(self, name, scope=0):
        from diffusion.session.locks.session_locks import SessionLockScope

        lock = await self.session.lock(name, SessionLockScope(scope))
        self.locks[name] = lock
        return {"name": lock.name, "sequence": str(lock.sequence)}

    async def unlock(self, name):
        released = await self.locks.pop(name).unlock()
        # The server's answer is a record that is always truthy; a lock lost earlier is False.
        return {"released": getattr(released, "value", released)}

    def _let_go(self, how):
        """Ends the waits of held requests, the latest first, so that answers come out of order."""
        waiting = [held for held in reversed(self.held) if not held.done()]
        self.held = []
        for held in waiting:
            how(held)
        return len(waiting)

    def _answer(self, request_type, behaviour):
        async def answer(value, context):
            sender = context.get("sender")
            event = {"event": "request", "path": context["path"]}
            event["value"] = encode(datatypes.get(request_type).type_name, value)
            event["sender"] = sender and session_id_text(sender)
            event["properties"] = context.get("properties")
            emit(event)
            return await self._behave(behaviour, value)

        return answer

    async def _behave(self, behaviour, value):
        kind = behaviour["kind"]
        if kind == "echo":
            return value
        if kind == "reply":
            return decode(behaviour["type"], behaviour["value"])
        if kind == "reject":
            raise rejection(behaviour["text"])
        if kind == "throw":
            raise RuntimeError(behaviour["text"])
        if kind == "silent":
            self.silenced.append(asyncio.get_running_loop().create_future())
            await self.silenced[-1]
        if kind == "hold":
            self.held.append(asyncio.get_running_loop().create_future())
            await self.held[-1]
            return value
        raise ValueError(f"unknown behaviour {kind}")


def comes_back(milliseconds):
    """Waits so long before every attempt to come back; 6.6rc1 cannot."""
    from diffusion.session.session_attributes import ReconnectionStrategy, SessionAttributes

    class Strategy(ReconnectionStrategy):
        async def perform_reconnection(self, reconnection):
            await asyncio.sleep(milliseconds / 1000)
            await reconnection.start()

    return SessionAttributes(reconnection_strategy=Strategy())


def rejection(text):
    """6.6rc1 has no way to reject: there any exception means that nothing is answered."""
    if IS_66:
        return RuntimeError(text)
    from diffusion.session.exceptions import RejectedRequestError

    return RejectedRequestError(text)


def describe(error):
    return {"class": type(error).__name__, "message": str(error)}


COMMANDS = {
    name: function
    for name, function in vars(Agent).items()
    if inspect.iscoroutinefunction(function) and not name.startswith("_") and name != "run"
}


async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    agent, tasks = Agent(), set()
    while line := await reader.readline():
        task = loop.create_task(agent.run(line))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    # The test is over. A handler may never return, so do not wait for anything.
    os._exit(0)


asyncio.run(main())
