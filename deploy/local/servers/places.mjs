// Ports and folders for servers of our own.
import { chmodSync, chownSync, mkdtempSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A port of 127.0.0.1 that nobody listens on now. @returns {Promise<number>} */
export function freePort() {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.once('error', reject);
		server.listen(0, '127.0.0.1', () => {
			const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
			server.close(() => resolve(port));
		});
	});
}

/** @param {string} name @param {{ uid?: number, gid?: number }} [owner] */
export function ownFolder(name, { uid, gid } = {}) {
	const folder = mkdtempSync(join(tmpdir(), `ampora-${name}-`));
	chmodSync(folder, 0o700);
	if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
	return folder;
}

/**
 * Connects, says `hello`, and tells whether the first answer is the one of a working server.
 * @param {number} port
 * @param {Uint8Array | string} hello
 * @param {(answer: Buffer) => boolean} expected
 * @returns {Promise<boolean>}
 */
export function firstAnswer(port, hello, expected) {
	return new Promise((resolve) => {
		const socket = connect({ port, host: '127.0.0.1' });
		const settle = (result) => {
			socket.destroy();
			resolve(result);
		};
		socket.setTimeout(1_000, () => settle(false));
		socket.once('error', () => settle(false));
		socket.once('close', () => settle(false));
		socket.once('connect', () => hello.length > 0 && socket.write(hello));
		socket.once('data', (answer) => settle(expected(answer)));
	});
}
