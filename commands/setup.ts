import { setUp } from "./setup/ensure";
import { main } from "./lib/main";
import { Steps } from "./lib/progress";
import { duration } from "./lib/render";

main(async () => {
  const steps = new Steps();
  await setUp(steps);
  const total = steps.times.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  console.log(`\nSet up in ${duration(total)}. Next: \`npm start\`, or \`npm run pulumi -- preview\`.`);
}, "npm run setup");
