// What media-chrome asks a media element for to fill its quality and audio menus; browsers do not have it for HLS.

/** A list of tracks or renditions that tells when it changes. */
export class TrackList extends EventTarget {
  #items = [];

  get length() {
    return this.#items.length;
  }

  [Symbol.iterator]() {
    return this.#items[Symbol.iterator]();
  }

  /** Replace all items; `added` and `removed` are the event types that listeners know. */
  replace(items, added, removed) {
    for (let i = 0; i < this.#items.length; i++) delete this[i];
    this.#items = items;
    items.forEach((item, i) => (this[i] = item));
    this.dispatchEvent(new Event(items.length ? added : removed));
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** Renditions of which at most one is fixed; selectedIndex -1 leaves the choice to the player. */
export class RenditionList extends TrackList {
  #selected = -1;
  #choose;

  constructor(choose) {
    super();
    this.#choose = choose;
  }

  /** Be told where the fixed one stands now, or that none is fixed. */
  settle(index) {
    if (index === this.#selected) return;
    this.#selected = index;
    this.changed();
  }

  get selectedIndex() {
    return this.#selected;
  }

  set selectedIndex(index) {
    if (index === this.#selected) return;
    this.#selected = index;
    this.#choose(index);
    this.changed();
  }
}
