// Looks at a card's page as its holder does, in a real Chromium: what it shows, copies and hides, what a
// screen reader finds, and that it asks nobody anything. Screenshots go to the folder given.
//
//   node details.mjs http://host:port KEY /folder/of/playwright-core /usr/bin/chromium OUT
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { strict as assert } from "node:assert";

const [base, key, tools, executablePath, out] = process.argv.slice(2);
const { chromium } = createRequire(resolve(tools, "x.js"))("playwright-core");
mkdirSync(out, { recursive: true });

const api = async (method, path, body) => {
  const answer = await fetch(base + path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const told = await answer.json();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${JSON.stringify(told)}`);
  return told;
};

const luhn = (digits) =>
  [...digits].reverse().reduce((sum, digit, place) => {
    const value = Number(digit) * (place % 2 ? 2 : 1);
    return sum + (value > 9 ? value - 9 : value);
  }, 0) % 10 === 0;

let steps = 0;
const step = (what) => { steps += 1; console.log(`ok ${what}`); };

await api("PATCH", `/api/identities/${encodeURIComponent("did:bloque:sandbox:demo")}`, {
  profile: { first_name: "Ana María", last_name: "Restrepo" },
});
const made = await api("POST", "/api/mediums/card", {
  holder_urn: "did:bloque:sandbox:demo",
  input: { create: { card_type: "VIRTUAL" } },
  metadata: { name: "Groceries & more" },
});
const { urn, details } = made.result.account;
const url = details.card_url_details;
assert.ok(url.startsWith(`${base}/card-details/`), url);

const browser = await chromium.launch({
  executablePath,
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});

const visit = async (options, { copies = true } = {}) => {
  const context = await browser.newContext(options);
  if (copies) await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: base });
  const page = await context.newPage();
  const seen = { errors: [], asked: [] };
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) seen.errors.push(message.text()); });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => { if (!request.url().startsWith("data:")) seen.asked.push(request.url()); });
  return { context, page, seen };
};

const numberOf = (page) => page.locator('[data-secret="pan"] [aria-hidden]').innerText();

/// Every node of the accessibility tree that is not ignored.
const tree = async (context, page) => {
  const session = await context.newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  await session.detach();
  return nodes.filter((node) => !node.ignored).map((node) => ({ role: node.role?.value, name: node.name?.value ?? "" }));
};

let number = "";
try {
  const looks = [
    ["light", { colorScheme: "light", viewport: { width: 1100, height: 800 } }],
    ["dark", { colorScheme: "dark", viewport: { width: 1100, height: 800 } }],
    ["phone-light", { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }],
    ["phone-dark", { colorScheme: "dark", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }],
    ["narrow", { colorScheme: "light", viewport: { width: 320, height: 640 }, reducedMotion: "reduce" }],
  ];
  for (const [name, options] of looks) {
    const { context, page, seen } = await visit(options);
    const answer = await page.goto(url);
    const headers = answer.headers();
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers["x-frame-options"], "DENY");
    assert.equal(headers["referrer-policy"], "no-referrer");
    const policy = headers["content-security-policy"];
    assert.ok(policy.startsWith("default-src 'none'") && policy.includes("frame-ancestors 'none'"), policy);
    assert.ok(!policy.includes("unsafe"), policy);
    const shown = await numberOf(page);
    assert.match(shown, /^4\d{3}\s*\d{4}\s*\d{4}\s*\d{4}$/);
    const digits = shown.replace(/\s/g, "");
    assert.ok(luhn(digits), "Luhn");
    assert.equal(digits.slice(-4), details.card_last_four);
    assert.ok(number === "" || number === digits, "the same card each time");
    number = digits;
    assert.match(await page.locator('[data-secret="cvv"] [aria-hidden]').innerText(), /^\d{3}$/);
    assert.match(await page.locator('[data-secret="expiry"] [aria-hidden]').innerText(), /^\d\d\/\d\d$/);
    assert.equal(await page.locator("h1").innerText(), "Groceries & more");
    assert.equal(await page.locator(".holder dd").innerText(), "Ana María Restrepo");
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= room, `${name}: ${wide} wide in ${room}`);
    const spills = await page.evaluate(() => [...document.querySelectorAll("dd, button")].filter((it) => {
      const holds = it.closest(".card")?.getBoundingClientRect();
      const box = it.getBoundingClientRect();
      return it.scrollWidth > it.clientWidth + 1 || (holds && (box.right > holds.right || box.bottom > holds.bottom));
    }).map((it) => it.outerHTML.slice(0, 120)));
    assert.deepEqual(spills, [], `${name}: something does not fit`);
    await page.screenshot({ path: join(out, `card-${name}.png`) });
    assert.deepEqual(seen.errors, [], `${name}: the console`);
    assert.deepEqual(seen.asked, [url], `${name}: one request`);
    await context.close();
  }
  step("shown in light, dark, at phone width and narrow; one request, no errors, a strict policy");

  {
    const { context, page, seen } = await visit({ viewport: { width: 390, height: 844 } });
    await page.goto(url);
    const nodes = await tree(context, page);
    const spoken = number.match(/\d{4}/g).map((group) => [...group].join(" ")).join(", ");
    const names = nodes.map((node) => node.name);
    assert.ok(names.includes(spoken), `digits one by one: ${JSON.stringify(names)}`);
    assert.ok(!names.some((name) => name.replace(/\s/g, "").includes(number)), "and not as one number");
    const has = (role, name) => assert.ok(nodes.some((node) => node.role === role && node.name === name), `${role} ${name}: ${JSON.stringify(nodes)}`);
    has("heading", "Groceries & more");
    has("region", "Card details");
    has("group", "Copy");
    for (const name of ["Copy card Number", "Copy Expiry", "Copy CVV", "Hide now"]) has("button", name);
    assert.ok(nodes.some((node) => node.role === "timer"), "a timer");
    assert.ok(nodes.some((node) => node.role === "status"), "a status");
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    step("a screen reader finds names, roles and digits one by one");

    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.getElementById("said").textContent === "Card number copied");
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), number);
    await page.screenshot({ path: join(out, "card-copied.png") });
    await page.getByRole("button", { name: "Copy CVV" }).click();
    await page.waitForFunction(() => document.getElementById("said").textContent === "CVV copied");
    const cvv = await page.locator('[data-secret="cvv"] [aria-hidden]').innerText();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), cvv);
    assert.deepEqual(seen.errors, []);
    await context.close();
    step("copies by key and by click, and says so");
  }

  {
    // Where a page may not write to the clipboard, as on plain http, the old way is tried.
    const { context, page } = await visit({});
    await page.addInitScript(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
    await page.goto(url);
    await page.evaluate(() => document.addEventListener("copy", () => {
      window.copiedText = document.activeElement.value;
    }));
    await page.getByRole("button", { name: "Copy card Number" }).click();
    await page.waitForFunction(() => document.getElementById("said").textContent === "Card number copied");
    assert.equal(await page.evaluate(() => window.copiedText), number);
    await context.close();
    step("copies without the clipboard's interface too");
  }

  {
    const { context, page } = await visit({ viewport: { width: 390, height: 844 } });
    await page.clock.install();
    await page.goto(url);
    await page.clock.runFor(50_000);
    assert.match(await page.locator("#count").innerText(), /^Hides in (9|10|11) s$/);
    assert.equal((await numberOf(page)).replace(/\s/g, ""), number);
    await page.clock.runFor(12_000);
    assert.equal(await numberOf(page), `•••• •••• •••• ${details.card_last_four}`);
    const html = await page.content();
    assert.ok(!html.includes(number) && !html.includes(number.slice(0, 12)), "nothing of it is left in the page");
    assert.ok(await page.getByRole("button", { name: "Copy CVV" }).isHidden());
    await page.screenshot({ path: join(out, "card-hidden.png") });
    await page.getByRole("button", { name: "Show again" }).click();
    await page.waitForFunction(() => !document.querySelector('[data-secret="pan"]').textContent.includes("•"));
    assert.equal((await numberOf(page)).replace(/\s/g, ""), number);
    await page.getByRole("button", { name: "Hide now" }).click();
    assert.match(await numberOf(page), /^••••/);
    await page.clock.runFor(300_000);
    assert.ok(await page.getByRole("button", { name: "Show again" }).isHidden());
    assert.match(await page.locator("#why").innerText(), /This link has ended/);
    await page.screenshot({ path: join(out, "card-ended.png") });
    await context.close();
    step("hides by itself after a minute, shows again, and ends with its link");
  }

  {
    const { context, page } = await visit({ javaScriptEnabled: false }, { copies: false });
    await page.goto(url);
    assert.ok(!(await page.locator("main").innerText()).replace(/\s/g, "").includes(number));
    assert.match(await page.locator("main").innerText(), /needs JavaScript/);
    await context.close();
    step("without JavaScript nothing is shown");
  }

  {
    await api("PATCH", `/api/accounts/${urn}`, { status: "frozen" });
    const { context, page, seen } = await visit({ colorScheme: "light", viewport: { width: 390, height: 844 } }, { copies: false });
    const answer = await page.goto(url);
    assert.equal(answer.status(), 403);
    assert.equal(await page.locator("h1").innerText(), "This card is not active");
    assert.ok(!(await page.content()).includes(number.slice(-4)));
    await page.screenshot({ path: join(out, "card-frozen.png") });
    assert.deepEqual(seen.errors.filter((text) => !text.includes("403")), []);
    const other = await page.goto(url.slice(0, -2) + (url.endsWith("AA") ? "BB" : "AA"));
    assert.equal(other.status(), 404);
    await page.emulateMedia({ colorScheme: "dark" });
    await page.screenshot({ path: join(out, "card-unknown.png") });
    await context.close();
    step("a frozen card and a changed link show nothing");
  }
} finally {
  await browser.close();
}
console.log(`done: ${steps} steps`);
