// Half of the seeds of a gate, so that two workers share them; `npm run simulate` runs a thousand.
import { expect, test } from 'vitest';
import { failuresOf, share } from './batch.js';

test('D1–D7 and R1–R16 hold in 300 worlds of chance', async () => {
	expect(await failuresOf(share(600, 1, 2))).toEqual([]);
});
