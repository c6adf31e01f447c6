import { EventEmitter } from 'node:events';
import type { Frame } from '@ampora/opamp';
import type { WebSocket } from 'ws';
import type { ServerEnd, ServerHandler } from './connections.js';

/** What the gateway uses of a `ws` socket, on a connection of the world. Its buffer is always empty. */
class FakeSocket extends EventEmitter {
	readonly OPEN = 1;
	readonly bufferedAmount = 0;
	readyState = 1;

	constructor(private readonly end: ServerEnd) {
		super();
	}

	send(frame: Frame): void {
		this.end.send(Uint8Array.from(frame));
	}

	close(): void {
		this.readyState = 2;
		this.end.close();
	}

	terminate(): void {
		this.close();
	}

	ping(): void {
		this.emit('pong');
	}

	pause(): void {}
	resume(): void {}
}

/** A `ws` socket for the gateway, and the handler that feeds it. */
export function fakeSocket(end: ServerEnd): { readonly ws: WebSocket; readonly handler: ServerHandler } {
	const socket = new FakeSocket(end);
	return {
		ws: socket as unknown as WebSocket,
		handler: {
			message: (frame) => socket.emit('message', Buffer.from(frame), true),
			closed: () => {
				socket.readyState = 3;
				socket.emit('close');
			},
		},
	};
}
