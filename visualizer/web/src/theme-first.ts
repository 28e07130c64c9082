// Sets the theme before anything is drawn, so that a dark page never flashes white. Loaded by the page ahead of the
// style's first use; everything else about themes is in preferences.ts.
const wanted = new URLSearchParams(location.search).get('theme') ?? localStorage.getItem('ratchet.theme');
if (wanted === 'light' || wanted === 'dark') document.documentElement.dataset.theme = wanted;
export {};
