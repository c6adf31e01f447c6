import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { BinaryReader } from '@bufbuild/protobuf/wire';

export interface ReceivedSpan {
	/** `service.name` of its resource: `ampora-gateway`. */
	readonly service: string;
	/** `service.instance.id`; empty without one. */
	readonly instance: string;
	readonly name: string;
	/** Hex. */
	readonly traceId: string;
	readonly spanId: string;
	/** Hex; empty for the first span of a trace. */
	readonly parentSpanId: string;
	readonly failed: boolean;
	readonly attributes: Readonly<Record<string, string>>;
}

/** Takes in traces over OTLP/HTTP, protobuf, and keeps every span. */
export class OtlpSink {
	readonly spans: ReceivedSpan[] = [];
	readonly #watchers = new Set<() => void>();
	readonly #server: Server = createServer(async (request, response) => {
		const parts: Buffer[] = [];
		for await (const part of request) parts.push(part as Buffer);
		const body = Buffer.concat(parts);
		const raw = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
		this.spans.push(...spansOf(raw));
		response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
		for (const watcher of [...this.#watchers]) watcher();
	});

	/** Resolves with what to give services as their OTLP endpoint. */
	async start(): Promise<string> {
		this.#server.listen(0, '127.0.0.1');
		await once(this.#server, 'listening');
		return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
	}

	/** Resolves with the first truthy answer, looking again whenever spans came. */
	async until<T>(look: (spans: readonly ReceivedSpan[]) => T | undefined, withinMs = 30_000): Promise<T> {
		return new Promise((resolve, reject) => {
			const late = setTimeout(
				() => end(() => reject(new Error(`not within ${withinMs} ms: ${this.#summary()}`))),
				withinMs,
			);
			const end = (settle: () => void) => {
				this.#watchers.delete(watch);
				clearTimeout(late);
				settle();
			};
			const watch = () => {
				const found = look(this.spans);
				if (found) end(() => resolve(found));
			};
			this.#watchers.add(watch);
			watch();
		});
	}

	async stop(): Promise<void> {
		const closed = once(this.#server, 'close');
		this.#server.close();
		this.#server.closeAllConnections();
		await closed;
	}

	#summary(): string {
		const counts = new Map<string, number>();
		for (const { service, name } of this.spans) {
			const key = `${service} ${name}`;
			counts.set(key, (counts.get(key) ?? 0) + 1);
		}
		return [...counts].map(([key, count]) => `${key} × ${count}`).join(', ') || 'no span came';
	}
}

type Fields = ReadonlyMap<number, readonly Uint8Array[]>;

const lengthDelimited = 2;

/** The length-delimited fields of one message, by number; the others are of no use here. */
function fieldsOf(bytes: Uint8Array): Fields {
	const fields = new Map<number, Uint8Array[]>();
	const reader = new BinaryReader(bytes);
	while (reader.pos < reader.len) {
		const [number, type] = reader.tag();
		if (type !== lengthDelimited) {
			reader.skip(type, number);
			continue;
		}
		const known = fields.get(number) ?? [];
		fields.set(number, [...known, reader.bytes()]);
	}
	return fields;
}

const all = (fields: Fields, number: number): readonly Uint8Array[] => fields.get(number) ?? [];
const first = (fields: Fields, number: number): Uint8Array => fields.get(number)?.[0] ?? new Uint8Array(0);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

// Field numbers of opentelemetry/proto/trace/v1/trace.proto.
function spansOf(request: Uint8Array): ReceivedSpan[] {
	return all(fieldsOf(request), 1).flatMap((resourceSpans) => {
		const fields = fieldsOf(resourceSpans);
		const resource = attributesOf(all(fieldsOf(first(fields, 1)), 1));
		const scopes = all(fields, 2).flatMap((scopeSpans) => all(fieldsOf(scopeSpans), 2));
		return scopes.map((span) => spanOf(span, resource));
	});
}

function spanOf(bytes: Uint8Array, resource: Readonly<Record<string, string>>): ReceivedSpan {
	const fields = fieldsOf(bytes);
	return {
		service: resource['service.name'] ?? '',
		instance: resource['service.instance.id'] ?? '',
		name: text(first(fields, 5)),
		traceId: hex(first(fields, 1)),
		spanId: hex(first(fields, 2)),
		parentSpanId: hex(first(fields, 4)),
		// Only an error's status carries a message.
		failed: first(fieldsOf(first(fields, 15)), 2).length > 0,
		attributes: attributesOf(all(fields, 9)),
	};
}

/** Values that are text; others are left empty. */
function attributesOf(pairs: readonly Uint8Array[]): Record<string, string> {
	return Object.fromEntries(
		pairs.map((pair) => {
			const fields = fieldsOf(pair);
			return [text(first(fields, 1)), text(first(fieldsOf(first(fields, 2)), 1))];
		}),
	);
}
