import type { ServerResponse } from 'node:http';
import type { Clock } from '@ampora/runtime';

/** Proxies close connections on which nothing is heard. */
const keepAliveMs = 15_000;

/** Writes each item as one `event`, then `end`; returns when the source ended or the reader left. A slow reader slows the source down. */
export async function sendEvents(
	response: ServerResponse,
	{ event, items, clock, signal }: { event: string; items: AsyncIterable<unknown>; clock: Clock; signal: AbortSignal },
): Promise<void> {
	response.writeHead(200, {
		'content-type': 'text/event-stream',
		'cache-control': 'no-store',
		'x-accel-buffering': 'no',
	});
	let timer = clock.after(keepAliveMs, beat);
	function beat(): void {
		response.write(': still here\n\n');
		timer = clock.after(keepAliveMs, beat);
	}
	try {
		for await (const item of items) {
			if (signal.aborted) return;
			const taken = response.write(`event: ${event}\ndata: ${JSON.stringify(item)}\n\n`);
			if (!taken) await drained(response, signal);
		}
		response.write('event: end\ndata: {}\n\n');
	} finally {
		timer.cancel();
		response.end();
	}
}

const drained = (response: ServerResponse, signal: AbortSignal): Promise<void> =>
	new Promise((resolve) => {
		const done = (): void => {
			response.off('drain', done);
			signal.removeEventListener('abort', done);
			resolve();
		};
		response.once('drain', done);
		signal.addEventListener('abort', done, { once: true });
	});
