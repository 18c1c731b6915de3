// The page's data: compressed JSON in base64, in script elements that do not run.

async function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

// JSON has no infinities: as scores they are texts.
const scoreOf = (x) => (x === "inf" ? Infinity : x === "-inf" ? -Infinity : x);

async function unpackedProblem(id) {
  const details = await unpacked(id);
  for (const said of details.pools.flatMap((pool) => Object.values(pool.scores))) {
    said.values = said.values.map(scoreOf);
    said.steps = said.steps.map((row) => row?.map(scoreOf) ?? null);
  }
  for (const tree of details.trees) tree.value = tree.value.map(scoreOf);
  return details;
}
