import { expect, test } from 'vitest';
import { previewText } from './group_selectors.js';

const move = {
	...{ agent: 'a', instanceUid: 'u', hostname: 'h', from: 'ungrouped', to: 'edge' },
	...{ change: 'comes' as const, runs: null, wouldRun: null },
};
const counts = { agents: 9, comes: 3, goes: 1, passes: 0, errors: 0, errorExample: null, errorFix: null };

test('a preview says how many it leaves out, and why the selector errors', () => {
	expect(previewText({ counts, items: [move], nextCursor: null })).toMatch(/\n… 3 more, raise --limit\n$/);
	expect(previewText({ counts: { ...counts, comes: 1, goes: 0 }, items: [move], nextCursor: null })).not.toContain('…');
	const errors = { errors: 2, errorExample: 'field not found: zone', errorFix: 'Ask for it.' };
	const text = previewText({ counts: { ...counts, ...errors }, items: [], nextCursor: null });
	expect(text).toContain('errors for 2\n  for example: field not found: zone\n    Ask for it.\n');
});
