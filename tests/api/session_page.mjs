// What a page does with session.js; argv: the module, the site, its key. Prints one line of JSON.
const [, , file, site, key] = process.argv;
const { Session } = await import(file);
const told = {};
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
let asked = 0;
let seconds;
let broken = false;

async function source() {
  asked += 1;
  if (broken) throw new Error("away");
  const answer = await fetch(`${site}/api/auth`, { method: "POST", headers: { "X-API-Key": key } });
  return { ...(await answer.json()), ...(seconds && { expires_in: seconds }) };
}

const open = () => new Session(source, { site });
const count = async (work) => {
  const before = asked;
  await work();
  return asked - before;
};

{
  const session = open();
  told.many = await count(async () => {
    const tokens = await Promise.all(Array.from({ length: 20 }, () => session.token()));
    told.same = new Set(tokens).size === 1;
    told.read = (await session.fetch("/videos")).status;
  });
  const now = Date.now;
  Date.now = () => now() + 1679_000;
  told.beforeTwoMinutes = await count(() => session.token());
  Date.now = () => now() + 1681_000;
  told.withinTwoMinutes = await count(() => session.token());
  Date.now = now;
  told.elsewhere = await session.fetch("https://elsewhere.example/").catch((error) => error.name);
  const frame = {};
  await session.play(frame, "/embed/vod/vi1?t=5");
  told.frame = frame.src.replace(await session.token(), "TOKEN").replace(site, "");
  session.close();
}
{
  seconds = 1;
  const session = open();
  const first = await session.token();
  seconds = undefined;
  await pause(0.8);
  told.renewedByTimer = await count(async () => (told.changed = (await session.token()) !== first));
  broken = true;
  const now = Date.now;
  Date.now = () => now() + 1700_000;
  told.keptWhileItWorks = typeof (await session.token());
  Date.now = () => now() + 1801_000;
  told.ended = await session.token().catch((error) => error.message);
  Date.now = now;
  broken = false;
  session.close();
}
{
  let given = 0;
  const session = new Session(async () => (given++ ? source() : { token: "bad", expires_in: 1800 }), { site });
  told.afterRefusal = (await session.fetch("/videos")).status;
  told.given = given;
  told.refused = (await new Session(() => ({ token: "bad", expires_in: 1800 }), { site }).fetch("/videos")).status;
  session.close();
}
console.log(JSON.stringify(told));
process.exit(0);
