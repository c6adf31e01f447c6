import { expect, test } from 'vitest';
import { freshOnly } from './fresh.js';

test.each([
	['up', '(up and last_over_time(up[60s]))'],
	[
		'avg(up{job="a"} * (max by (id) (info{r="1"})))',
		'avg((up{job="a"} and last_over_time(up{job="a"}[60s])) * (max by (id) ((info{r="1"} and last_over_time(info{r="1"}[60s])))))',
	],
	['x @ 5 offset 2m', '(x @ 5 offset 2m and last_over_time(x[60s] @ 5 offset 2m))'],
	['max_over_time(x[5m:30s])', 'max_over_time((x and last_over_time(x[60s]))[5m:30s])'],
])('%s answers with fresh samples only', (query, fresh) => expect(freshOnly(query, 60_000)).toBe(fresh));

test.each(['sum(rate(x[5m] offset 1h))', '1', 'timestamp(x)', 'timestamp(x offset 1m)', 'sum(up', 'x[', ''])(
	'%s stays as it is',
	(query) => expect(freshOnly(query, 60_000)).toBe(query),
);
