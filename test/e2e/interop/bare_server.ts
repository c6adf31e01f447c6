// An OpAMP endpoint of nothing but packages/opamp: it shows whether agents nobody here wrote and our bytes understand each other.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
	type AgentMessage,
	configHash,
	decodeAgentToServer,
	defaultMessageLimits,
	encodeServerToAgent,
	encodeSharedOffer,
	type Frame,
	type InstanceUid,
	messageOf,
	type ServerContent,
	serverCapabilitiesOf,
	unframe,
} from '@ampora/opamp';
import { type WebSocket, WebSocketServer } from 'ws';
import { Transcript } from './transcript.js';

export interface BareServer {
	readonly wsUrl: string;
	readonly httpUrl: string;
	/** Every message that arrived, decoded. */
	readonly messages: Transcript<AgentMessage>;
	/** Authorization headers, one per upgrade or POST. */
	readonly credentials: readonly (string | undefined)[];
	/** Says this to the one agent: at once over its WebSocket, else in answer to its next message. */
	say(content: ServerContent): void;
	/** The same with bytes made elsewhere. */
	sayFrame(frame: (uid: InstanceUid) => Frame): void;
	/** Offers one file; returns the hash to expect back, in hex. */
	offer(body: string, name?: string): string;
	/** Cuts every WebSocket without a close frame. */
	drop(): void;
	close(): Promise<void>;
}

const capabilities = serverCapabilitiesOf('AcceptsStatus', 'OffersRemoteConfig', 'AcceptsEffectiveConfig');

export async function startBareServer(): Promise<BareServer> {
	const messages = new Transcript<AgentMessage>();
	const credentials: (string | undefined)[] = [];
	const waiting: ((uid: InstanceUid) => Frame)[] = [];
	let open: { socket: WebSocket; uid: InstanceUid } | undefined;

	const answer = (bytes: Uint8Array): { uid: InstanceUid; reply: Frame } => {
		const decoded = decodeAgentToServer(bytes, defaultMessageLimits);
		if (!decoded.ok) throw new Error(`undecodable: ${decoded.error.message}`);
		messages.push(decoded.value);
		const uid = decoded.value.instanceUid;
		const queued = waiting.shift();
		return { uid, reply: queued ? queued(uid) : encodeServerToAgent(uid, { capabilities }) };
	};

	const http = createServer((request, response) => {
		credentials.push(request.headers.authorization);
		wholeBody(request).then((body) => {
			response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end(messageOf(answer(body).reply));
		});
	}).listen(0, '127.0.0.1');
	const sockets = new WebSocketServer({ server: http });
	sockets.on('connection', (socket, request) => {
		credentials.push(request.headers.authorization);
		socket.on('message', (data: Buffer) => {
			const bytes = unframe(data);
			if (!bytes.ok) throw new Error(`malformed frame: ${bytes.error.message}`);
			const { uid, reply } = answer(bytes.value);
			open = { socket, uid };
			socket.send(reply);
		});
		socket.on('close', () => {
			if (open?.socket === socket) open = undefined;
		});
	});
	await once(http, 'listening');
	const at = `127.0.0.1:${(http.address() as AddressInfo).port}/v1/opamp`;

	const sayFrame = (frame: (uid: InstanceUid) => Frame) => {
		if (open === undefined) waiting.push(frame);
		else open.socket.send(frame(open.uid));
	};
	const drop = () => {
		for (const socket of sockets.clients) socket.terminate();
	};
	return {
		wsUrl: `ws://${at}`,
		httpUrl: `http://${at}`,
		messages,
		credentials,
		sayFrame,
		say: (content) => sayFrame((uid) => encodeServerToAgent(uid, content)),
		offer(body, name = 'collector.yaml') {
			const files = new Map([[name, { body: Buffer.from(body), contentType: 'text/yaml' }]]);
			const hash = configHash(files);
			const shared = [encodeSharedOffer({ files, configHash: hash })];
			sayFrame((uid) => encodeServerToAgent(uid, { shared }));
			return Buffer.from(hash).toString('hex');
		},
		drop,
		async close() {
			drop();
			http.closeAllConnections();
			http.close();
			await once(http, 'close');
		},
	};
}

async function wholeBody(request: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = [];
	for await (const chunk of request) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks);
}
