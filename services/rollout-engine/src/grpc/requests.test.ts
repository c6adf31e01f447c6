import { commandInputs, rolloutInput } from '@ampora/api-contract';
import { expect, test } from 'vitest';
import { CreateRolloutRequest, EditGatesRequest } from '../gen/ampora/rollout/v1/rollout.js';
import { createRequest, gateEditsRequest } from './requests.js';

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

test('edited gates mean the same as over REST, and what is left out stays as it is', () => {
	const parse = (body: unknown) => commandInputs['edit-gates'].parse(body);
	const both = EditGatesRequest.fromPartial({
		gates: { 'unhealthy-ratio': { thresholdPercent: 5 } },
		metricGates: { points: { value: 0, failureLimit: 2 }, errors: { errorLimit: 0 } },
	});
	expect(parse(gateEditsRequest(both))).toEqual(
		parse({
			gates: { 'unhealthy-ratio': { threshold: '5 %' } },
			metricGates: { points: { value: 0, failureLimit: 2 }, errors: { errorLimit: 0 } },
		}),
	);
	const one = EditGatesRequest.fromPartial({ metricGates: { points: { inconclusiveLimit: 1 } } });
	expect(parse(gateEditsRequest(one))).toEqual({ metricGates: { points: { inconclusiveLimit: 1 } } });
	expect(() => parse(gateEditsRequest(EditGatesRequest.fromPartial({})))).toThrow('name at least one gate');
});
