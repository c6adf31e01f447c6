import { Worker } from 'node:worker_threads';
import type { Logger } from '@ampora/telemetry';
import type { MatchQuestion, Verdict, WorkerAnswer, WorkerQuestion } from './match.js';

/** Null: unknown; it could not be compared, or there is too much to compare. */
export type Match = (question: MatchQuestion) => Promise<Verdict | null>;

export interface Matcher {
	readonly match: Match;
	stop(): Promise<void>;
}

const bytesOf = ({ effective }: MatchQuestion): number => effective.reduce((sum, { body }) => sum + body.length, 0);

/** Runs comparisons in a worker thread, started when the first one is asked for. At most `queueBytesMax` of bodies wait. */
export function createMatcher({ queueBytesMax, log }: { queueBytesMax: number; log: Logger }): Matcher {
	const waiting = new Map<number, { readonly bytes: number; readonly done: (verdict: Verdict | null) => void }>();
	let worker: Worker | null = null;
	let queuedBytes = 0;
	let nextId = 0;

	const settle = (id: number, verdict: Verdict | null): void => {
		const entry = waiting.get(id);
		waiting.delete(id);
		queuedBytes -= entry?.bytes ?? 0;
		entry?.done(verdict);
	};
	const giveUp = (): void => {
		worker = null;
		for (const id of [...waiting.keys()]) settle(id, null);
	};
	const start = (): Worker => {
		const started = startWorker();
		started.on('message', ({ id, verdict }: WorkerAnswer) => settle(id, verdict));
		started.on('error', (error) => log.error('the effective config worker failed', { error }));
		started.on('exit', () => worker === started && giveUp());
		started.unref();
		return started;
	};

	return {
		match(question) {
			const bytes = bytesOf(question);
			if (queuedBytes + bytes > queueBytesMax && waiting.size > 0) return Promise.resolve(null);
			worker ??= start();
			nextId += 1;
			const id = nextId;
			queuedBytes += bytes;
			const answer = new Promise<Verdict | null>((done) => waiting.set(id, { bytes, done }));
			worker.postMessage({ ...question, id } satisfies WorkerQuestion);
			return answer;
		},
		async stop() {
			const stopping = worker;
			giveUp();
			await stopping?.terminate();
		},
	};
}

/** Bundled, the worker lies beside the bundle. From sources it is TypeScript, and a worker has to be taught that first. */
function startWorker(): Worker {
	if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./match_worker.js', import.meta.url));
	const file = JSON.stringify(new URL('./match_worker.ts', import.meta.url).href);
	const code = `import('tsx/esm/api').then(({ register }) => { register(); return import(${file}); });`;
	return new Worker(code, { eval: true });
}
