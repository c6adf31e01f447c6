import { rolloutInput } from '@ampora/api-contract';
import { expect, test } from 'vitest';
import { CreateRolloutRequest } from '../gen/ampora/rollout/v1/rollout.js';
import { createRequest } from './requests.js';

test('metric gates mean the same as over REST, and what is left out gets the defaults of REST', () => {
	const gate = { name: 'points', query: 'avg(p * $changed)', op: '>=', value: 0.9 };
	const request = CreateRolloutRequest.fromPartial({
		group: 'edge',
		source: { $case: 'version', value: 'edge@2' },
		spec: {
			metricGates: [
				gate,
				{
					...gate,
					name: 'errors',
					compare: 'control',
					interval: { seconds: 30n, nanos: 0 },
					failureLimit: 1,
					joinLabel: 'host',
				},
			],
		},
	});
	const rest = rolloutInput.parse({
		group: 'edge',
		version: 'edge@2',
		metricGates: [
			gate,
			{ ...gate, name: 'errors', compare: 'control', interval: '30s', failureLimit: 1, joinLabel: 'host' },
		],
	});
	expect(rolloutInput.parse(createRequest(request))).toEqual(rest);
});
