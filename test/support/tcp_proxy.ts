import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface Backend {
	/** Unique among the backends; what the control methods name. */
	readonly name: string;
	readonly host: string;
	readonly port: number;
}

/** What is done to the connections of a backend. */
interface Weather {
	delayMs: number;
	blackhole: boolean;
}

/** A pipe takes no more while it holds so many pieces back. */
const heldPiecesMax = 256;

/** One direction of one connection: passes bytes on in their order, later or not at all when the weather says so. */
class Pipe {
	readonly #queue: { readonly bytes: Buffer | undefined; readonly dueMs: number }[] = [];
	#timer: NodeJS.Timeout | undefined;

	constructor(
		readonly from: Socket,
		readonly to: Socket,
		readonly weather: Weather,
	) {
		from.on('data', (bytes: Buffer) => this.#take(bytes));
		from.on('end', () => this.#take(undefined));
		to.on('drain', () => this.flow());
		to.on('close', () => clearTimeout(this.#timer));
	}

	/** Looks at the weather again. */
	flow(): void {
		clearTimeout(this.#timer);
		if (!this.weather.blackhole) this.#passOn();
		const stopped = this.weather.blackhole || this.to.writableNeedDrain || this.#queue.length > heldPiecesMax;
		if (stopped) this.from.pause();
		else this.from.resume();
	}

	/** `undefined` stands for the end of the stream, which keeps its place behind what was sent before. */
	#take(bytes: Buffer | undefined): void {
		this.#queue.push({ bytes, dueMs: performance.now() + this.weather.delayMs });
		this.flow();
	}

	#passOn(): void {
		for (let next = this.#queue[0]; next && !this.to.writableNeedDrain; next = this.#queue[0]) {
			const waitMs = next.dueMs - performance.now();
			if (waitMs > 0) {
				this.#timer = setTimeout(() => this.flow(), waitMs);
				return;
			}
			this.#queue.shift();
			if (next.bytes) this.to.write(next.bytes);
			else this.to.end();
		}
	}
}

class ProxiedConnection {
	readonly #pipes: readonly Pipe[];

	constructor(
		readonly backend: string,
		readonly client: Socket,
		readonly server: Socket,
		weather: Weather,
		gone: () => void,
	) {
		this.#pipes = [new Pipe(client, server, weather), new Pipe(server, client, weather)];
		let open = 2;
		for (const [socket, other] of [
			[client, server],
			[server, client],
		] as const) {
			socket.on('error', () => other.resetAndDestroy());
			socket.on('close', () => {
				open -= 1;
				if (open === 0) gone();
			});
		}
		this.flow();
	}

	flow(): void {
		for (const pipe of this.#pipes) pipe.flow();
	}

	cut(): void {
		this.client.resetAndDestroy();
		this.server.resetAndDestroy();
	}
}

/**
 * A load balancer of ours for tests: a client stays on the backend its source address chooses, and goes to the next live one
 * when that refuses. It can cut, delay and blackhole the connections of a backend.
 */
export class TcpProxy {
	readonly #server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) =>
		this.#accept(client),
	);
	readonly #connections = new Set<ProxiedConnection>();
	readonly #pending = new Set<Socket>();
	readonly #weather = new Map<string, Weather>();
	#backends: readonly Backend[];
	#closed = false;

	constructor(backends: readonly Backend[]) {
		this.#backends = backends;
	}

	/** Listens on 127.0.0.1, on any free port unless one is given; resolves with the port. */
	async start(port = 0): Promise<number> {
		this.#server.listen(port, '127.0.0.1', 4096);
		await once(this.#server, 'listening');
		return this.port;
	}

	get port(): number {
		return (this.#server.address() as AddressInfo).port;
	}

	/** Cuts every connection and stops listening. */
	async stop(): Promise<void> {
		if (this.#closed) return;
		this.#closed = true;
		const closed = once(this.#server, 'close');
		this.#server.close();
		for (const socket of this.#pending) socket.destroy();
		this.cut();
		await closed;
	}

	/** For connections made from now on; those there are stay where they are. */
	setBackends(backends: readonly Backend[]): void {
		this.#backends = backends;
	}

	/** Open connections by backend; backends without any are listed with 0. */
	connections(): Record<string, number> {
		const counts: Record<string, number> = Object.fromEntries(this.#backends.map(({ name }) => [name, 0]));
		for (const { backend } of this.#connections) counts[backend] = (counts[backend] ?? 0) + 1;
		return counts;
	}

	/** Resets the connections of one backend, or all; returns how many. New ones are still accepted. */
	cut(backend?: string): number {
		const chosen = this.#of(backend);
		for (const connection of chosen) {
			connection.cut();
			this.#connections.delete(connection);
		}
		return chosen.length;
	}

	/** Everything read from now on takes so much longer, each way, in its order. */
	delay(delayMs: number, backend?: string): void {
		this.#change(backend, (weather) => {
			weather.delayMs = delayMs;
		});
	}

	/** While on, nothing passes either way and no side learns why; what was sent meanwhile arrives after it is off again. */
	blackhole(on: boolean, backend?: string): void {
		this.#change(backend, (weather) => {
			weather.blackhole = on;
		});
	}

	#of(backend: string | undefined): ProxiedConnection[] {
		return [...this.#connections].filter((connection) => backend === undefined || connection.backend === backend);
	}

	#weatherOf(backend: string): Weather {
		const weather = this.#weather.get(backend) ?? { delayMs: 0, blackhole: false };
		this.#weather.set(backend, weather);
		return weather;
	}

	#change(backend: string | undefined, change: (weather: Weather) => void): void {
		for (const name of backend === undefined ? this.#backends.map((one) => one.name) : [backend])
			change(this.#weatherOf(name));
		for (const connection of this.#of(backend)) connection.flow();
	}

	#accept(client: Socket): void {
		this.#pending.add(client);
		client.on('close', () => this.#pending.delete(client));
		// Until there is a backend, a client that breaks off only has to go.
		client.on('error', () => {});
		this.#tryNext(client, byPreference(client.remoteAddress ?? '', this.#backends));
	}

	#tryNext(client: Socket, [backend, ...rest]: readonly Backend[]): void {
		if (!backend || client.destroyed) {
			client.resetAndDestroy();
			return;
		}
		const server = connect({ host: backend.host, port: backend.port, allowHalfOpen: true });
		const refused = () => this.#tryNext(client, rest);
		this.#pending.add(server);
		server.once('error', refused);
		server.once('close', () => this.#pending.delete(server));
		server.once('connect', () => {
			server.off('error', refused);
			this.#pending.delete(server);
			this.#pending.delete(client);
			if (client.destroyed) server.destroy();
			else this.#join(backend.name, client, server);
		});
	}

	#join(backend: string, client: Socket, server: Socket): void {
		client.setNoDelay(true);
		server.setNoDelay(true);
		const connection = new ProxiedConnection(backend, client, server, this.#weatherOf(backend), () =>
			this.#connections.delete(connection),
		);
		this.#connections.add(connection);
	}
}

/** Every client has its own order of the backends, which does not change when one of them comes or goes. */
export function byPreference(address: string, backends: readonly Backend[]): Backend[] {
	const weight = ({ name }: Backend): string => createHash('sha1').update(`${address}/${name}`).digest('hex');
	const weighed = backends.map((backend) => ({ backend, weight: weight(backend) }));
	return weighed.sort((a, b) => (a.weight < b.weight ? -1 : 1)).map(({ backend }) => backend);
}
