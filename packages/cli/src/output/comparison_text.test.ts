import type { VersionComparison } from '@ampora/api-contract';
import { expect, it } from 'vitest';
import { comparisonText } from './comparison_text.js';

const nothing: VersionComparison = {
	...{ from: 'edge@1', to: 'edge@2', sameMeaning: true, edits: [], text: '' },
	...{ managementPath: [], endpoints: [], removedPipelines: [] },
};

it('says that two versions mean the same', () => {
	expect(comparisonText(nothing)).toBe('edge@1 → edge@2: the same meaning; no agent would run anything else\n');
});

it('warns first, then lists the edits, then the text', () => {
	const path = 'exporters.otlp.endpoint';
	const text = comparisonText({
		...nothing,
		sameMeaning: false,
		endpoints: [path],
		edits: [
			{ op: 'change', path, before: '"a:4317"', after: '"b:4317"', kind: 'exporter', pipelines: ['logs', 'traces'] },
		],
		text: '--- config\n+++ config\n',
	});
	expect(text.split('\n')).toEqual([
		'edge@1 → edge@2: 1 change of meaning',
		'! data goes elsewhere: exporters.otlp.endpoint',
		'  ~ exporters.otlp.endpoint  "a:4317" → "b:4317"  [logs, traces]',
		'',
		'--- config',
		'+++ config',
		'',
		'',
	]);
});
