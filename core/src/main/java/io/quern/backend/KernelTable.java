package io.quern.backend;

import io.quern.op.Op;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The algorithms of a backend by op. One line registers one; the first whose factory accepts a key
 * is taken, so faster or more special ones are registered first.
 */
public final class KernelTable {
  private final Map<Class<? extends Op>, List<Entry>> entries = new LinkedHashMap<>();

  /** An empty table. */
  public KernelTable() {}

  private record Entry(String name, KernelFactory factory) {}

  /** Registers an algorithm for an op. */
  public KernelTable add(Class<? extends Op> op, String name, KernelFactory factory) {
    entries.computeIfAbsent(op, key -> new ArrayList<>()).add(new Entry(name, factory));
    return this;
  }

  /** The kernel of the first algorithm that covers {@code key}. */
  public Optional<Kernel> find(KernelKey key) {
    for (Entry entry : entries.getOrDefault(key.op().getClass(), List.of())) {
      Kernel kernel = entry.factory().create(key);
      if (kernel != null) {
        return Optional.of(kernel);
      }
    }
    return Optional.empty();
  }

  /** Names of the registered algorithms by op, in order of preference. */
  public Map<String, List<String>> listing() {
    Map<String, List<String>> listing = new LinkedHashMap<>();
    entries.forEach(
        (op, list) -> listing.put(op.getSimpleName(), list.stream().map(Entry::name).toList()));
    return listing;
  }
}
