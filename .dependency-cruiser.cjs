// Which member may use which, and what may come from outside. Checked by `npm run check` and test/tidy.

/** Member → the members it may import. One that is missing here may import none of ours. */
const layers = {
	'packages/runtime': [],
	'packages/opamp': ['runtime'],
	'packages/rollout': ['runtime'],
	'packages/collector-config': ['runtime'],
	'packages/policy': ['runtime'],
	'packages/dispatch': ['runtime'],
	'packages/telemetry': ['runtime'],
	'packages/store': ['runtime', 'rollout', 'dispatch'],
	'packages/api-contract': ['runtime', 'rollout'],
	'packages/control': [
		'runtime',
		'opamp',
		'rollout',
		'collector-config',
		'policy',
		'dispatch',
		'store',
		'api-contract',
	],
	'packages/cli': ['runtime', 'api-contract'],
	'services/gateway': ['runtime', 'opamp', 'rollout', 'collector-config', 'policy', 'dispatch', 'store', 'telemetry'],
	'services/rollout-engine': [
		'runtime',
		'rollout',
		'collector-config',
		'policy',
		'dispatch',
		'store',
		'control',
		'api-contract',
		'telemetry',
	],
	'services/api': [
		'runtime',
		'rollout',
		'collector-config',
		'policy',
		'dispatch',
		'store',
		'control',
		'api-contract',
		'telemetry',
	],
	'services/web': ['api-contract'],
};

/** The pure packages → the libraries they may use, as they may nothing else: no file, no socket, no clock. */
const pure = {
	'packages/runtime': ['uuid'],
	'packages/rollout': [],
	'packages/collector-config': ['yaml'],
	'packages/policy': ['@bufbuild/cel'],
};

const members = '^(?:packages|services)/[^/]+/';
const tests = '\\.test\\.ts$';
const testing = '/src/testing/';
const fromNpm = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-bundled', 'npm-no-pkg', 'npm-unknown'];

const layerRules = Object.entries(layers).map(([member, allowed]) => ({
	name: `layer: ${member}`,
	comment: `may import ${allowed.join(', ') || 'none of ours'}`,
	severity: 'error',
	from: { path: `^${member}/` },
	to: { path: members, pathNot: [`^${member}/`, ...allowed.map((name) => `^packages/${name}/`)] },
}));

const pureRules = Object.entries(pure).flatMap(([member, libraries]) => [
	{
		name: `pure: ${member}`,
		comment: `libraries: ${libraries.join(', ') || 'none'}`,
		severity: 'error',
		from: { path: `^${member}/src/`, pathNot: [tests, testing] },
		to: { dependencyTypes: fromNpm, pathNot: libraries.map((name) => `node_modules/${name}/`) },
	},
	{
		name: `pure: ${member}, Node`,
		comment: 'of Node only its hashes',
		severity: 'error',
		from: { path: `^${member}/src/`, pathNot: [tests, testing] },
		to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
	},
]);

/** A library that only one folder may know. */
const clientRules = [
	['ioredis', '^packages/dispatch/src/redis/'],
	['@nats-io/', '^packages/dispatch/src/nats/'],
	['@elastic/', '^test/'],
].map(([library, home]) => ({
	name: `client library: ${library}`,
	severity: 'error',
	from: { path: '.', pathNot: [home, '^test/', tests, testing] },
	to: { path: `node_modules/${library}` },
}));

module.exports = {
	forbidden: [
		...layerRules,
		{
			name: 'layer: unknown member',
			comment: 'a new member says in .dependency-cruiser.cjs what it may import',
			severity: 'error',
			from: { path: members, pathNot: [...Object.keys(layers), 'services/standalone'].map((name) => `^${name}/`) },
			to: { path: members },
		},
		{
			name: 'layer: services/standalone',
			comment: 'composes the services through their front doors; may not use the command line',
			severity: 'error',
			from: { path: '^services/standalone/' },
			to: { path: '^packages/cli/' },
		},
		...pureRules,
		...clientRules,
		{
			name: 'two doors',
			comment: 'another member is entered through src/index.ts or src/testing/index.ts',
			severity: 'error',
			from: { path: '^((?:packages|services)/[^/]+|test|deploy)/' },
			to: { path: members, pathNot: ['^$1/', '^[^/]+/[^/]+/src/(testing/)?index\\.ts$'] },
		},
		{
			name: 'testing door',
			comment: 'what is made for tests stays out of the product',
			severity: 'error',
			from: { path: members, pathNot: [tests, testing] },
			to: { path: testing },
		},
		{
			name: 'nothing above the members',
			comment: 'the product does not reach into the tests or the bootstrap',
			severity: 'error',
			from: { path: members, pathNot: tests },
			to: { path: '^(test|deploy)/' },
		},
		{
			name: 'no cycle',
			comment: 'at run time; types may refer to each other',
			severity: 'error',
			from: {},
			to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
		},
		{ name: 'resolves', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^pg-native$' } },
		{
			name: 'declared',
			comment: 'a library the product uses is in its own dependencies',
			severity: 'error',
			from: { path: `${members}src/`, pathNot: [tests, testing] },
			to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
		},
	],
	options: {
		tsPreCompilationDeps: true,
		tsConfig: { fileName: 'tsconfig.json' },
		doNotFollow: { path: 'node_modules' },
		exclude: { path: '(^|/)(dist|gen)/' },
		enhancedResolveOptions: {
			exportsFields: ['exports'],
			conditionNames: ['import', 'require', 'node', 'default', 'types'],
			extensions: ['.ts', '.mts', '.js', '.mjs', '.cjs', '.json', '.d.ts'],
		},
	},
};
