import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BoundedQueue } from './bounded_queue.js';

test('keeps order and never holds more than its capacity (D6)', () => {
	const operation = fc.oneof(fc.record({ push: fc.integer() }), fc.constant('shift' as const));
	fc.assert(
		fc.property(fc.integer({ min: 1, max: 5 }), fc.array(operation, { maxLength: 200 }), (capacity, operations) => {
			const queue = new BoundedQueue<number>(capacity);
			const model: number[] = [];
			for (const each of operations) {
				if (each === 'shift') expect(queue.shift()).toBe(model.shift());
				else {
					const taken = model.length < capacity;
					expect(queue.push(each.push)).toBe(taken);
					if (taken) model.push(each.push);
				}
				expect(queue.size).toBe(model.length);
			}
		}),
	);
});

test('a capacity that makes no sense is refused', () => {
	expect(() => new BoundedQueue(0)).toThrow('positive integer');
});
