// Makes every call once, and prints a JSON line for each: what the client handed to its user.

export async function report(calls) {
  for (const [name, call] of Object.entries(calls)) {
    let line;
    try {
      const { data, count, status, error } = await call();
      line = { name, data, count: count ?? null, status, error };
    } catch (fault) {
      line = { name, threw: String(fault?.stack ?? fault) };
    }
    console.log(JSON.stringify(line));
  }
}
