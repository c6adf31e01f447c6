import type { MetricAnswer, MetricSample } from '@ampora/rollout';
import { z } from 'zod';
import { freshOnly } from './fresh.js';
import type { MetricsServer } from './metrics_server.js';

export interface PrometheusOptions {
	/** `http://prometheus:9090`, also with a path before `/api/v1`; null: there is none, and every query is answered `away`. */
	readonly url: string | null;
	readonly token?: string | null;
	readonly timeoutMs?: number;
}

const defaultTimeoutMs = 10_000;
const answerBytesMax = 1_048_576;

const sample = z.tuple([z.number(), z.string()]);
const answer = z.discriminatedUnion('status', [
	z.object({ status: z.literal('error'), errorType: z.string(), error: z.string() }),
	z.object({
		status: z.literal('success'),
		data: z.discriminatedUnion('resultType', [
			z.object({ resultType: z.literal('vector'), result: z.array(z.object({ value: sample.optional() })) }),
			z.object({ resultType: z.literal('scalar'), result: sample }),
			z.object({ resultType: z.enum(['matrix', 'string']), result: z.unknown() }),
		]),
	}),
]);
type Answer = z.infer<typeof answer>;

/** Prometheus writes the non-finite ones its own way. */
const numberOf = (text: string): number =>
	/^[+-]?Inf$/.test(text) ? Number(text.replace('Inf', 'Infinity')) : Number(text);

const sampleOf = ([seconds, value]: z.infer<typeof sample>): MetricSample => ({
	value: numberOf(value),
	atMs: Math.round(seconds * 1_000),
});

function samplesOf(said: Answer): MetricAnswer {
	if (said.status === 'error') {
		const kind = said.errorType === 'bad_data' || said.errorType === 'execution' ? 'refused' : 'away';
		return { kind, message: said.error };
	}
	const { data } = said;
	switch (data.resultType) {
		case 'scalar':
			return { kind: 'samples', samples: [sampleOf(data.result)] };
		case 'vector':
			// A histogram has no value; it is a sample all the same, and not a number.
			return { kind: 'samples', samples: data.result.map(({ value }) => sampleOf(value ?? [0, 'NaN'])) };
		default:
			return { kind: 'refused', message: `the query answers a ${data.resultType}, not one number` };
	}
}

async function textOf(response: Response): Promise<string> {
	const chunks: Uint8Array[] = [];
	let bytes = 0;
	for await (const chunk of response.body ?? []) {
		bytes += chunk.byteLength;
		if (bytes > answerBytesMax) throw new Error(`an answer of more than ${answerBytesMax} bytes`);
		chunks.push(chunk);
	}
	return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string, status: number): Answer {
	try {
		return answer.parse(JSON.parse(text));
	} catch {
		throw new Error(`HTTP ${status}, which is no answer of the Prometheus API`);
	}
}

/** By the HTTP API that Prometheus, Thanos, Mimir and VictoriaMetrics share. */
export function createPrometheus({
	url,
	token = null,
	timeoutMs = defaultTimeoutMs,
}: PrometheusOptions): MetricsServer {
	if (url === null) {
		const message = 'no metrics server is set up; set AMPORA_METRICS_URL to the address of a Prometheus';
		return { query: async () => ({ kind: 'away', message }) };
	}
	const target = new URL(url);
	target.pathname = `${target.pathname.replace(/\/$/, '')}/api/v1/query`;
	const headers = token === null ? {} : { authorization: `Bearer ${token}` };
	return {
		async query(query, atMs, withinMs) {
			const fresh = freshOnly(query, withinMs);
			const body = new URLSearchParams({ query: fresh, time: String(atMs / 1_000), timeout: `${timeoutMs}ms` });
			try {
				const signal = AbortSignal.timeout(timeoutMs);
				const response = await fetch(target, { method: 'POST', headers, body, signal, redirect: 'error' });
				return samplesOf(parsed(await textOf(response), response.status));
			} catch (error) {
				return { kind: 'away', message: `the metrics server ${target.origin} does not answer: ${reasonOf(error)}` };
			}
		},
	};
}

function reasonOf(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	const { cause } = error;
	return cause instanceof Error && cause.message !== '' ? cause.message : error.message;
}
