(() => {
  'use strict';
  const at = (id) => document.getElementById(id);
  const seconds = (name) => Number(document.body.dataset[name]) * 1000;
  const [card, copies, timer, again, said] = ['card', 'copies', 'timer', 'again', 'said'].map(at);
  const fields = new Map();
  const begun = Date.now();
  const shownFor = Math.min(seconds('shownSeconds'), seconds('linkSeconds'));
  const [hidesAt, linkEnds] = [begun + shownFor, begun + seconds('linkSeconds')];
  const ringLength = 94.25;
  let isShown = true;
  let isEnded = false;

  const element = (className, text, isHidden) => {
    const made = document.createElement('span');
    made.className = className;
    made.textContent = text;
    if (isHidden) made.setAttribute('aria-hidden', 'true');
    return made;
  };

  // For the eye in groups of four; for a screen reader digit by digit.
  const reveal = (field, value) => {
    const groups = value.match(/^\d{16}$/) ? value.match(/\d{4}/g) : [value];
    const seen = element('', '', true);
    seen.append(...groups.map((group) => element('group', group)));
    const words = (group) => [...group].map((letter) => (letter === '/' ? 'slash' : letter)).join(' ');
    const spoken = groups.map(words);
    field.replaceChildren(seen, element('sr', spoken.join(', ')));
  };

  const mask = (field) => {
    field.replaceChildren(element('', field.dataset.mask, true), element('sr', field.dataset.hidden));
  };

  const say = (text) => {
    said.textContent = '';
    // Cleared first, so that the same words are said again.
    setTimeout(() => { said.textContent = text; }, 50);
  };

  const hide = () => {
    if (!isShown) return;
    isShown = false;
    const hadFocus = copies.contains(document.activeElement) || timer.contains(document.activeElement);
    fields.forEach(({ field }) => mask(field));
    fields.clear();
    copies.hidden = true;
    timer.hidden = true;
    again.hidden = false;
    tick();
    if (hadFocus && !isEnded) at('show').focus();
    say('Card details hidden');
  };

  const end = () => {
    if (isEnded) return;
    isEnded = true;
    at('show').hidden = true;
    at('why').textContent = 'Hidden for your safety. This link has ended: open the card again in your app.';
  };

  const tick = () => {
    const now = Date.now();
    if (now >= linkEnds) end();
    if (!isShown) return;
    const left = hidesAt - now;
    if (left <= 0) {
      hide();
      return;
    }
    at('count').textContent = `Hides in ${Math.ceil(left / 1000)} s`;
    at('ring').style.strokeDashoffset = String(ringLength * (1 - left / shownFor));
  };

  const copyByHand = (text) => {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'sr';
    area.setAttribute('aria-hidden', 'true');
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    let isDone = false;
    try { isDone = document.execCommand('copy'); } catch { isDone = false; }
    area.remove();
    if (focused) focused.focus();
    return isDone;
  };

  const copy = async (button) => {
    const known = fields.get(button.dataset.copy);
    if (!known) return;
    let isDone = false;
    try {
      await navigator.clipboard.writeText(known.value);
      isDone = true;
    } catch {
      isDone = copyByHand(known.value);
    }
    say(isDone ? button.dataset.said : 'It could not be copied: select it and copy it yourself');
    if (!isDone) return;
    button.classList.add('copied');
    setTimeout(() => button.classList.remove('copied'), 1600);
  };

  card.querySelectorAll('[data-secret]').forEach((field) => {
    const { secret, value } = field.dataset;
    fields.set(secret, { field, value });
    field.removeAttribute('data-value');
    reveal(field, value);
  });
  copies.hidden = false;
  timer.hidden = false;
  copies.querySelectorAll('button').forEach((button) => button.addEventListener('click', () => copy(button)));
  at('hide').addEventListener('click', hide);
  at('show').addEventListener('click', () => location.reload());
  // A page that comes back from the browser's memory shows nothing.
  addEventListener('pagehide', hide);
  document.addEventListener('visibilitychange', tick);
  setInterval(tick, 250);
  tick();
})();
