'use strict';

// Drives one session of the JavaScript SDK over stdin and stdout, one JSON object a line.
//
// In:  {"id": 1, "command": "connect", ...}
// Out: {"id": 1, "result": ...} or {"id": 1, "error": {"class": ..., "code": ..., "message": ...}},
//      and, unasked, {"event": ...}.
//
// Commands run concurrently, so answers come in any order. Serves release 6.12.1, found through
// NODE_PATH. Judges nothing: what an answer should be is the test's business.

// The SDK logs through the console: keep stdout for the protocol.
for (const level of ['log', 'info', 'warn', 'debug']) {
    console[level] = console.error;
}

const readline = require('readline');
const diffusion = require('diffusion');

const { SessionState, SessionEventStreamEventType } = diffusion.clients;

let session = null;
let held = [];
let locks = {};
let registrations = {};
let eventRegistration = null;
let authenticatorRegistration = null;

function emit(message) {
    process.stdout.write(JSON.stringify(message) + '\n');
}

function typeByName(name) {
    return name === undefined || name === null ? undefined : diffusion.datatypes.get(name);
}

// JSON form to the SDK's native value: int64 is decimal text, binary is hex, record_v2 is an
// array of arrays of fields.
function decode(type, value) {
    if (type === 'binary') {
        return Buffer.from(value, 'hex');
    }
    if (type === 'record_v2') {
        const builder = diffusion.datatypes.recordv2().valueBuilder();
        value.forEach((fields) => builder.addRecord(fields));
        return builder.build();
    }
    return value;
}

// Small int64 values are read as plain numbers, which only the declared type tells from doubles.
function encode(value, declared) {
    if (value === null || value === undefined) {
        return { type: null, value: null };
    }
    const small = declared === 'int64' && Number.isInteger(value);
    const type = small ? declared : diffusion.datatypes.getByClass(value.constructor).name();
    switch (type) {
        case 'int64': return { type, value: value.toString() };
        case 'json': return { type, value: value.get() };
        case 'binary': return { type, value: value.get().toString('hex') };
        case 'record_v2': return { type, value: value.asRecords() };
        default: return { type, value };
    }
}

// Rejections are error reasons, close reasons, arrays of error reports, or plain errors.
function describe(error) {
    if (Array.isArray(error)) {
        return { class: 'ErrorReports', reports: error.map(({ message, line, column }) => ({ message, line, column })) };
    }
    if (error !== null && typeof error === 'object') {
        return { class: error.constructor.name, code: error.id, message: error.reason || error.message };
    }
    return { class: typeof error, message: String(error) };
}

function answerer(behaviour, responseType) {
    const type = typeByName(responseType);
    return (request, responder) => {
        switch (behaviour.kind) {
            case 'echo': return responder.respond(request, type);
            case 'reply': return responder.respond(decode(behaviour.type, behaviour.value), typeByName(behaviour.type));
            case 'reject': return responder.reject(behaviour.text);
            case 'throw': throw new Error(behaviour.text);
            case 'hold': return held.push(() => responder.respond(request, type));
            case 'silent': return undefined;
            default: throw new Error(`unknown behaviour ${behaviour.kind}`);
        }
    };
}

function reportRequest(path, value, context) {
    emit({ event: 'request', path, value, sender: null, properties: null, ...context });
}

function sessionEvent(event) {
    emit({
        event: 'session_event',
        session_id: event.sessionId.toString(),
        type: SessionEventStreamEventType[event.type],
        state: SessionState[event.state],
        properties: event.properties,
        changed: event.changedProperties,
        close_reason: event.closeReason === undefined ? null : event.closeReason,
        open: event.isOpenEvent(),
    });
}

function lockDetails(details) {
    return {
        server: details.serverName,
        session_id: details.sessionId.toString(),
        sequence: details.sequence.toString(),
    };
}

const connecting = {
    version: async () => ({ sdk: 'javascript', version: diffusion.version }),

    // `reconnect` is how many milliseconds to wait before every attempt to come back.
    connect: async ({ host, port, principal, password, properties, reconnect, encrypted }) => {
        const options = { host, port, secure: Boolean(encrypted) };
        if (reconnect !== undefined) {
            options.reconnect = { timeout: 60000, strategy: (again) => setTimeout(again, reconnect) };
        }
        if (principal !== undefined) {
            options.principal = principal;
        }
        if (password !== undefined) {
            options.credentials = password;
        }
        if (properties !== undefined) {
            options.properties = properties;
        }
        session = await diffusion.connect(options);
        session.on({
            close: (reason) => emit({ event: 'closed', reason: { id: reason.id, message: reason.message } }),
            disconnect: () => emit({ event: 'disconnected' }),
            reconnect: () => emit({ event: 'reconnected' }),
        });
        return { session_id: session.sessionId.toString() };
    },

    close: async () => {
        const reason = await session.closeSession();
        session = null;
        return { id: reason.id, message: reason.message };
    },

    // Back to a fresh agent.
    reset: async () => {
        held = [];
        locks = {};
        registrations = {};
        eventRegistration = null;
        if (session !== null && !session.isClosed()) {
            await session.closeSession();
        }
        session = null;
    },

    ping: async () => {
        await session.pingServer();
    },

    principal: async () => session.security.getPrincipal(),
    change_principal: async ({ principal, password }) => {
        await session.security.changePrincipal(principal, password);
    },
    reauthenticate: async ({ principal, password, properties }) =>
        session.security.reauthenticate(principal, password, properties || {}),
};

// Services that are not those of messaging.
const topics = {
    add_topic: async ({ path }) => {
        await session.topics.add(path, diffusion.topics.TopicType.STRING);
    },
    subscribe: async ({ selector }) => session.select(selector),
};

const messaging = {
    register: async ({ path, request_type, response_type, behaviour, keys }) => {
        const answer = answerer(behaviour, response_type);
        registrations[path] = await session.messages.addRequestHandler(path, {
            onRequest: (request, context, responder) => {
                const sender = context.sessionId.toString();
                reportRequest(context.path, encode(request, request_type), { sender, properties: context.properties });
                answer(request, responder);
            },
            onError: (error) => emit({ event: 'handler_error', path, error: describe(error) }),
            onClose: () => emit({ event: 'handler_closed', path }),
        }, keys, typeByName(request_type));
    },

    deregister: async ({ path }) => {
        await registrations[path].close();
        delete registrations[path];
    },

    stream: async ({ path, request_type, response_type, behaviour }) => {
        const answer = answerer(behaviour, response_type);
        session.messages.setRequestStream(path, {
            onRequest: (requestPath, request, responder) => {
                reportRequest(requestPath, encode(request, request_type), {});
                answer(request, responder);
            },
            onError: (error) => emit({ event: 'stream_error', path, error: describe(error) }),
            onClose: () => emit({ event: 'stream_closed', path }),
        }, typeByName(request_type), typeByName(response_type));
    },

    request_path: async ({ path, type, value, response_type }) => encode(
        await session.messages.sendRequest(path, decode(type, value), typeByName(type), typeByName(response_type)),
        response_type || type,
    ),

    request_session: async ({ path, session_id, type, value, response_type }) => encode(
        await session.messages.sendRequest(
            path, decode(type, value), session_id, typeByName(type), typeByName(response_type),
        ),
        response_type || type,
    ),

    request_filter: async ({ filter, path, type, value }) => {
        const respond = (sessionId, outcome) =>
            emit({ event: 'filter_response', filter, session_id: sessionId.toString(), ...outcome });
        const count = await session.messages.sendRequestToFilter(filter, path, decode(type, value), {
            onResponse: (sessionId, response) => respond(sessionId, { value: encode(response, type) }),
            onResponseError: (sessionId, error) => respond(sessionId, { error: describe(error) }),
        }, typeByName(type));
        return { count };
    },

    // The latest first, so that answers come out of order.
    release: async () => {
        const waiting = held.reverse();
        held = [];
        waiting.forEach((respond) => respond());
        return { released: waiting.length };
    },
};

const control = {
    own_properties: async () => session.getSessionProperties(),
    get_properties: async ({ session_id, keys }) => session.clients.getSessionProperties(session_id, keys),
    set_properties: async ({ session_id, properties }) => session.clients.setSessionProperties(session_id, properties),
    set_properties_filter: async ({ filter, properties }) => ({
        count: await session.clients.setSessionPropertiesByFilter(filter, properties),
    }),
    // `target` is a session id or a filter.
    close_session: async ({ target }) => ({ count: await session.clients.close(target) }),
    change_roles: async ({ target, remove, add }) => ({ count: await session.clients.changeRoles(target, remove, add) }),

    lock: async ({ name, scope }) => {
        const lock = await session.lock(name, scope);
        locks[name] = lock;
        return { name: lock.getName(), sequence: lock.getSequence().toString() };
    },
    unlock: async ({ name }) => {
        const lock = locks[name];
        delete locks[name];
        return { released: await lock.unlock() };
    },
    get_lock: async ({ name }) => {
        const details = await session.clients.getSessionLock(name);
        return details === null ? null : lockDetails(details);
    },
    get_locks: async () => {
        const all = await session.clients.getSessionLocks();
        return Object.fromEntries(Object.entries(all).map(([name, details]) => [name, lockDetails(details)]));
    },

    listen: async ({ filter, keys, after }) => {
        const parameters = diffusion.newSessionEventParametersBuilder();
        if (filter !== undefined) {
            parameters.filter(filter);
        }
        if (keys !== undefined) {
            parameters.properties(keys);
        }
        if (after !== undefined) {
            parameters.after(after);
        }
        eventRegistration = await session.clients.addSessionEventListener({
            onSessionEvent: sessionEvent,
            onClose: () => emit({ event: 'listener_closed' }),
            onError: (error) => emit({ event: 'listener_error', error: describe(error) }),
        }, parameters.build());
    },
    unlisten: async () => eventRegistration.close(),
};

// Answers each question as `answers` says for its principal: deny, abstain, silent, or the properties to allow it with.
// Builds a script by calls of the SDK's builder: [method, argument, ...] each.
function script(builder, calls) {
    return calls.reduce((built, [method, ...rest]) => built[method](...rest), builder).build();
}

const security = {
    set_authenticator: async ({ name, answers }) => {
        authenticatorRegistration = await session.security.setAuthenticator(name, {
            authenticate: (principal, credentials, properties, proposed, callback) => {
                emit({ event: 'asked', principal, properties, proposed });
                const answer = answers[principal] || 'abstain';
                switch (answer) {
                    case 'deny': return callback.deny();
                    case 'abstain': return callback.abstain();
                    case 'silent': return undefined;
                    case 'allow': return callback.allow();
                    default: return callback.allow(answer);
                }
            },
            onClose: () => emit({ event: 'authenticator_closed' }),
            onError: (error) => emit({ event: 'authenticator_error', error: describe(error) }),
        });
    },
    remove_authenticator: async () => authenticatorRegistration.close(),
    permissions: async ({ path }) => {
        const permissions = path === undefined
            ? await session.security.getGlobalPermissions()
            : await session.security.getPathPermissions(path);
        return permissions.map(String).sort();
    },
    get_security: async () => session.security.getSecurityConfiguration(),
    get_principals: async () => session.security.getSystemAuthenticationConfiguration(),
    update_security: async ({ calls }) => {
        const text = script(session.security.securityScriptBuilder(), calls);
        await session.security.updateSecurityStore(text);
        return text;
    },
    update_principals: async ({ calls }) => {
        const text = script(session.security.authenticationScriptBuilder(), calls);
        await session.security.updateAuthenticationStore(text);
        return text;
    },
    // A session id as text is sent as the session 0-0.
    revoke: async ({ session_id }) =>
        session.security.revokeAuthentication(session.sessionId.constructor.fromString(session_id)),
};

const commands = { ...connecting, ...topics, ...messaging, ...control, ...security };

async function run(line) {
    const { id, command, ...parameters } = JSON.parse(line);
    try {
        const result = await commands[command](parameters);
        emit({ id, result: result === undefined ? null : result });
    } catch (error) {
        emit({ id, error: describe(error) });
    }
}

readline.createInterface({ input: process.stdin }).on('line', run).on('close', () => process.exit(0));
