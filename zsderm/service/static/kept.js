// What this browser keeps between visits: lists of classes and switches. Never a photograph, an answer or a key.

const PREFIX = "zsderm:";

export const kept = (name, usual) => {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? usual : JSON.parse(text);
  } catch {
    return usual; // a browser that keeps nothing, or what another program wrote
  }
};

// Whether it could be kept.
export const keep = (name, value) => {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
};
