// Fetches the part of the page that changes every two seconds, shows times in the reader's zone, copies, and selects.
// Without this script the pages work, and stand still.
'use strict';
(() => {
  const every = 2000, longest = 30000;
  const live = document.getElementById('live'), pulse = document.getElementById('pulse');
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
  const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const short = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });
  let tag = '', failures = 0, timer = 0, asking = null, paused = false;

  function decorate(root) {
    for (const time of root.querySelectorAll('time[datetime]')) {
      const at = new Date(time.dateTime);
      if (isNaN(at)) continue;
      time.title = day.format(at) + ' (' + time.dateTime + ')';
      if (!time.classList.contains('ago')) time.textContent = (at.toDateString() === new Date().toDateString() ? clock : short).format(at);
    }
    for (const hidden of root.querySelectorAll('.copy, .select-all')) hidden.hidden = false;
  }

  // Whatever the reader holds in hand stays: a selected row, a text that is being marked, a field that is being filled in.
  function isInUse() {
    const marked = getSelection();
    return live.querySelector('input:checked, :focus:is(input, textarea, select, button, a, summary)') !== null
      || (marked && !marked.isCollapsed && live.contains(marked.anchorNode));
  }

  function replace(html) {
    const open = [...live.querySelectorAll('details')].map(one => one.open), scroll = [...live.querySelectorAll('.scroll, pre')].map(one => [one.scrollLeft, one.scrollTop]);
    live.innerHTML = html; // made and encoded by our own server
    live.querySelectorAll('details').forEach((one, at) => { if (at < open.length) one.open = open[at]; });
    live.querySelectorAll('.scroll, pre').forEach((one, at) => { if (at < scroll.length) [one.scrollLeft, one.scrollTop] = scroll[at]; });
    decorate(live);
  }

  async function refresh() {
    timer = 0;
    if (document.hidden || paused) return;
    if (isInUse()) return again(every);
    asking = new AbortController();
    const limit = setTimeout(() => asking.abort(), longest);
    try {
      const answer = await fetch(location.href.split('#')[0], { headers: { 'Jobs-Fragment': '1', ...(tag && { 'If-None-Match': tag }) }, cache: 'no-store', signal: asking.signal });
      if (answer.redirected) throw new Error('signed out'); // the page of a login is not ours
      if (answer.status === 200) {
        const html = await answer.text();
        tag = answer.headers.get('ETag') || '';
        if (!isInUse()) replace(html);
        else tag = '';
      } else if (answer.status !== 304) throw new Error(answer.status);
      failures = 0;
      say('Live');
    } catch {
      failures++;
      say('No answer; these figures are old');
    } finally {
      clearTimeout(limit);
    }
    again(Math.min(longest, every * 2 ** Math.min(failures, 4)));
  }

  function again(after) { if (!timer) timer = setTimeout(refresh, after); }

  function say(text) {
    if (!pulse) return;
    const words = paused ? 'Paused' : text;
    if (pulse.firstChild?.textContent !== words) {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'copy';
      button.textContent = paused ? 'Go on' : 'Pause';
      button.addEventListener('click', () => { paused = !paused; clearTimeout(timer); timer = 0; say('Live'); if (!paused) refresh(); });
      pulse.replaceChildren(words + ' ', button);
    }
  }

  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    timer = 0;
    if (!document.hidden && live && live.innerHTML.trim()) refresh();
  });

  document.addEventListener('click', async event => {
    const button = event.target.closest('button.copy[data-copy]');
    if (!button) return;
    try { await navigator.clipboard.writeText(button.dataset.copy); button.textContent = 'Copied'; } catch { // no secure context
      const code = button.parentElement.querySelector('code') || button.parentElement.previousElementSibling;
      getSelection().selectAllChildren(code);
      button.textContent = 'Press Ctrl C';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });

  // Fields for a time hold UTC in the page and in the URL. The reader sees, and fills in, the time of the own zone.
  function moved(value, minutes) {
    const at = new Date(value + 'Z');
    return isNaN(at) ? value : new Date(at.getTime() + minutes * 60000).toISOString().slice(0, 19);
  }

  const offset = field => new Date(field.value).getTimezoneOffset() || 0;
  for (const field of document.querySelectorAll('input[type=datetime-local]')) {
    for (const zone of field.parentElement.querySelectorAll('.zone')) zone.remove();
    if (field.value) field.value = moved(field.value, -new Date(field.value + 'Z').getTimezoneOffset());
    field.form.addEventListener('formdata', event => { if (field.value) event.formData.set(field.name, moved(field.value, offset(field))); });
  }

  document.addEventListener('change', event => {
    const all = event.target.closest('input[data-all]');
    if (all) for (const one of all.form.querySelectorAll('input[name="' + all.dataset.all + '"]')) one.checked = all.checked;
  });

  decorate(document);
  if (live && live.innerHTML.trim()) {
    say('Live');
    again(live.querySelector('.pending') ? 500 : every);
  }
})();
