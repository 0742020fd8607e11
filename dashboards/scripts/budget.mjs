// Weighs the build and fails when a budget is broken. Run by `npm run build`; what is weighed, and how, is weights.mjs's.
import { fileURLToPath } from 'node:url';
import { BUDGETS, weightsOf } from './weights.mjs';

const { weights, faults } = weightsOf(fileURLToPath(new URL('../dist', import.meta.url)));
let broken = faults.length > 0;
for (const [budget, name, weight] of weights) {
  const over = weight > BUDGETS[budget];
  broken ||= over;
  console.log(
    `budget: ${name.padEnd(15)} ${weight.toFixed(1).padStart(6)} KiB of ${BUDGETS[budget]} KiB gzip${over ? '  OVER' : ''}`,
  );
}
for (const fault of faults) console.error(`budget: ${fault}`);
process.exit(broken ? 1 : 0);
