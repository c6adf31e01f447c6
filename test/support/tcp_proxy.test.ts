import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Backend, byPreference, TcpProxy } from './tcp_proxy.js';

/** Sends its name to whoever connects, then everything back. */
async function startEcho(name: string): Promise<{ backend: Backend; server: Server; sockets: Set<Socket> }> {
	const sockets = new Set<Socket>();
	const server = createServer({ allowHalfOpen: true }, (socket) => {
		sockets.add(socket);
		socket.on('error', () => {});
		socket.on('close', () => sockets.delete(socket));
		socket.write(`${name}\n`);
		socket.pipe(socket);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return { backend: { name, host: '127.0.0.1', port: (server.address() as AddressInfo).port }, server, sockets };
}

/** A client that collects what it gets. */
class Client {
	text = '';
	bytes = 0;
	readonly socket: Socket;
	readonly closed: Promise<void>;

	constructor(port: number, localAddress: string) {
		this.socket = connect({ port, host: '127.0.0.1', localAddress });
		this.socket.on('data', (data: Buffer) => {
			this.bytes += data.length;
			if (this.text.length < 10_000) this.text += data.toString('latin1');
			this.socket.emit('more');
		});
		this.socket.on('error', () => {});
		this.closed = closed(this.socket);
	}

	async until(condition: () => boolean): Promise<void> {
		while (!condition()) await once(this.socket, 'more', { signal: AbortSignal.timeout(10_000) });
	}

	/** Name of the backend it reached. */
	async backend(): Promise<string> {
		await this.until(() => this.text.includes('\n'));
		return this.text.split('\n')[0] ?? '';
	}
}

/** Unlike `once` of node:events it takes an error before the close for what it is here: expected. */
const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

let echoes: Awaited<ReturnType<typeof startEcho>>[];
let proxy: TcpProxy;
let port: number;
const clients: Client[] = [];

beforeEach(async () => {
	echoes = await Promise.all(['a', 'b', 'c'].map(startEcho));
	proxy = new TcpProxy(echoes.map(({ backend }) => backend));
	port = await proxy.start();
});

afterEach(async () => {
	for (const { socket } of clients.splice(0)) socket.destroy();
	await proxy.stop();
	for (const { server, sockets } of echoes) {
		for (const socket of sockets) socket.destroy();
		server.close();
	}
});

function client(address = '127.16.0.1'): Client {
	const made = new Client(port, address);
	clients.push(made);
	return made;
}

const echoOf = (name: string) => {
	const found = echoes.find(({ backend }) => backend.name === name);
	if (!found) throw new Error(`no backend ${name}`);
	return found;
};

describe('who goes where', () => {
	test('an address always reaches the same backend, addresses reach all of them', async () => {
		const addresses = Array.from({ length: 60 }, (_, index) => `127.16.0.${index + 1}`);
		const first = await Promise.all(addresses.map((address) => client(address).backend()));
		const second = await Promise.all(addresses.map((address) => client(address).backend()));
		expect(second).toEqual(first);
		const counts = proxy.connections();
		expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(120);
		for (const name of ['a', 'b', 'c']) expect(counts[name]).toBeGreaterThan(20);
	});

	test('a backend that refuses is passed over, and only its clients move', async () => {
		const addresses = Array.from({ length: 30 }, (_, index) => `127.16.1.${index + 1}`);
		const before = await Promise.all(addresses.map((address) => client(address).backend()));
		proxy.cut();
		echoOf('b').server.close();
		const after = await Promise.all(addresses.map((address) => client(address).backend()));
		expect(before).toContain('b');
		expect(after).not.toContain('b');
		expect(after.filter((_, index) => before[index] !== 'b')).toEqual(before.filter((name) => name !== 'b'));
	});

	test('without any backend that answers the client is reset', async () => {
		for (const { server } of echoes) server.close();
		await client().closed;
		expect(proxy.connections()).toEqual({ a: 0, b: 0, c: 0 });
	});

	test('every backend is the first choice of about as many addresses', () => {
		const backends = ['a', 'b', 'c'].map((name) => ({ name, host: 'h', port: 1 }));
		const firsts = Array.from(
			{ length: 3000 },
			(_, index) => byPreference(`127.16.${index >> 8}.${index & 255}`, backends)[0]?.name,
		);
		for (const name of ['a', 'b', 'c']) expect(firsts.filter((first) => first === name).length).toBeGreaterThan(800);
	});
});

describe('what it does to connections', () => {
	test('bytes pass in order and in full, also when one side is slow, and the end of a stream with them', async () => {
		const one = client();
		const name = await one.backend();
		const sent = 8_000_000;
		one.socket.pause();
		one.socket.end(Buffer.alloc(sent, 0x78));
		setImmediate(() => one.socket.resume());
		await one.closed;
		expect(one.bytes).toBe(sent + name.length + 1);
	});

	test('cut ends both sides of one backend, or of all', async () => {
		const many = Array.from({ length: 30 }, (_, index) => client(`127.16.2.${index + 1}`));
		const names = await Promise.all(many.map((one) => one.backend()));
		const ofA = many.filter((_, index) => names[index] === 'a');
		const serversSide = Promise.all([...echoOf('a').sockets].map(closed));
		expect(proxy.cut('a')).toBe(ofA.length);
		await Promise.all(ofA.map((one) => one.closed));
		await serversSide;
		expect(many.filter((one) => !one.socket.destroyed)).toHaveLength(30 - ofA.length);
		proxy.cut();
		await Promise.all(many.map((one) => one.closed));
		expect(proxy.connections()).toEqual({ a: 0, b: 0, c: 0 });
	});

	test('a backend that ends ends its clients', async () => {
		const one = client();
		const name = await one.backend();
		for (const socket of echoOf(name).sockets) socket.resetAndDestroy();
		await one.closed;
	});

	test('a delay holds both ways, and keeps the order', async () => {
		const one = client();
		await one.backend();
		proxy.delay(50);
		const startedMs = performance.now();
		for (const word of ['1 ', '2 ', '3 ']) one.socket.write(word);
		await one.until(() => one.text.endsWith('3 '));
		expect(performance.now() - startedMs).toBeGreaterThan(95);
		expect(one.text.endsWith('1 2 3 ')).toBe(true);
		proxy.delay(0);
		one.socket.write('4 ');
		await one.until(() => one.text.endsWith('4 '));
	});

	test('a blackhole of one backend swallows nothing, tells nobody, and touches no other', async () => {
		const many = Array.from({ length: 20 }, (_, index) => client(`127.16.3.${index + 1}`));
		const names = await Promise.all(many.map((one) => one.backend()));
		const held = many.find((_, index) => names[index] === 'a');
		const free = many.find((_, index) => names[index] !== 'a');
		if (!held || !free) throw new Error('the addresses of this test reach one backend only');
		proxy.blackhole(true, 'a');
		held.socket.write('ping');
		free.socket.write('ping');
		await free.until(() => free.text.endsWith('ping'));
		proxy.delay(0);
		free.socket.write('pong');
		await free.until(() => free.text.endsWith('pong'));
		expect(held.text.endsWith('ping')).toBe(false);
		expect(held.socket.destroyed).toBe(false);
		const late = client(held.socket.localAddress);
		await once(late.socket, 'connect');
		expect(late.text).toBe('');
		proxy.blackhole(false, 'a');
		await held.until(() => held.text.endsWith('ping'));
		expect(await late.backend()).toBe('a');
	});

	test('stop ends everything', async () => {
		const one = client();
		await one.backend();
		await proxy.stop();
		await one.closed;
		await client().closed;
	});
});
