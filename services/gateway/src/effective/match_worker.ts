// Compares effective configurations with assigned ones off the event loop: parsing YAML takes milliseconds, and sessions cannot wait.
import { parentPort } from 'node:worker_threads';
import { type ConfigDocument, effectiveMatches, parseConfig } from '@ampora/collector-config';
import type { ConfigFile } from '@ampora/store';
import type { Verdict, WorkerAnswer, WorkerQuestion } from './match.js';

const parsedMax = 64;
const pathsShown = 5;
/** Parsed assigned versions; null: it cannot be parsed. */
const parsed = new Map<string, ConfigDocument | null>();

function assignedDocument(versionId: string, files: readonly ConfigFile[]): ConfigDocument | null {
	const known = parsed.get(versionId);
	if (known !== undefined) return known;
	const result = parseConfig(files);
	const document = result.ok ? result.document : null;
	const oldest = parsed.keys().next();
	if (parsed.size >= parsedMax && !oldest.done) parsed.delete(oldest.value);
	parsed.set(versionId, document);
	return document;
}

function judge({ versionId, assigned, effective }: WorkerQuestion): Verdict | null {
	const document = assignedDocument(versionId, assigned);
	if (!document) return null;
	const match = effectiveMatches(document, effective);
	if (match.outcome === 'match') return { verdict: 'match', detail: null };
	if (match.outcome === 'unreadable') {
		if (match.which === 'assigned') return null;
		return { verdict: 'mismatch', detail: `the effective config cannot be read: ${match.findings[0]?.message ?? ''}` };
	}
	const shown = match.differences.slice(0, pathsShown).map(({ path, what }) => `${path} ${what}`);
	const more = match.more || match.differences.length > shown.length ? ', …' : '';
	return { verdict: 'mismatch', detail: `${shown.join(', ')}${more}` };
}

parentPort?.on('message', (question: WorkerQuestion) => {
	let verdict: Verdict | null = null;
	try {
		verdict = judge(question);
	} catch {
		// A comparison that fails says nothing about the agent.
	}
	parentPort?.postMessage({ id: question.id, verdict } satisfies WorkerAnswer);
});
