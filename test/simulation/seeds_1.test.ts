// Half of the thousand seeds, so that two workers share them; `npm run simulate` runs them, or others, by hand.
import { expect, test } from 'vitest';
import { failuresOf, share } from './batch.js';

test('D1–D7 and R1–R16 hold in 500 worlds of chance', async () => {
	expect(await failuresOf(share(1_000, 0, 2))).toEqual([]);
});
