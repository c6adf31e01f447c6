import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Passes connections on, and loses on command what a client says. */
export interface LossyRelay {
	readonly url: string;
	/** The next bytes from a client go nowhere, and its connection breaks off with them. Resolves when that has happened. */
	loseNext(): Promise<void>;
	close(): Promise<void>;
}

/** @param target URL of an OpAMP server; the relay's has another port. */
export async function startLossyRelay(target: string): Promise<LossyRelay> {
	const { hostname: host, port } = new URL(target);
	const open = new Set<Socket>();
	let lose: (() => void) | undefined;
	const server = createServer((client) => {
		const gateway = connect(Number(port), host);
		for (const [socket, other] of [
			[client, gateway],
			[gateway, client],
		] as const) {
			open.add(socket);
			socket.on('error', () => {});
			socket.on('close', () => {
				open.delete(socket);
				other.destroy();
			});
		}
		gateway.pipe(client);
		client.on('data', (bytes) => {
			if (!lose) {
				gateway.write(bytes);
				return;
			}
			lose();
			lose = undefined;
			client.resetAndDestroy();
		});
	}).listen(0, '127.0.0.1');
	await once(server, 'listening');
	const url = new URL(target);
	url.port = `${(server.address() as AddressInfo).port}`;
	return {
		url: url.href,
		loseNext: () =>
			new Promise((resolve) => {
				lose = resolve;
			}),
		async close() {
			server.close();
			for (const socket of open) socket.destroy();
			await once(server, 'close');
		},
	};
}
