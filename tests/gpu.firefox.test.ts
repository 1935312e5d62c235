import { testIn } from './browser/runner.js';

await testIn('firefox');
