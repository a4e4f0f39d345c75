package io.quern.backend;

import io.quern.op.Op;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The algorithms of a backend by op. One line registers one; the first whose factory accepts a key
 * is taken, so faster or more special ones are registered first. Thread-safe.
 */
public final class KernelTable {
  private final Map<Class<? extends Op>, List<Entry>> entries = new LinkedHashMap<>();
  private final Map<Class<? extends Op>, Consumer<KernelTable>> later = new LinkedHashMap<>();

  /** An empty table. */
  public KernelTable() {}

  private record Entry(String name, KernelFactory factory) {}

  /** Registers an algorithm for an op. */
  public synchronized KernelTable add(Class<? extends Op> op, String name, KernelFactory factory) {
    entries.computeIfAbsent(op, key -> new ArrayList<>()).add(new Entry(name, factory));
    return this;
  }

  /**
   * Registers the algorithms of some ops when one of them is first looked for, since a JVM takes
   * its time to link factories.
   *
   * @param group adds the algorithms of all of {@code ops}, and of no others
   */
  @SafeVarargs
  public final synchronized KernelTable later(
      Consumer<KernelTable> group, Class<? extends Op>... ops) {
    for (Class<? extends Op> op : ops) {
      later.put(op, group);
    }
    return this;
  }

  private synchronized List<Entry> entries(Class<? extends Op> op) {
    Consumer<KernelTable> group = later.get(op);
    if (group != null) {
      later.values().removeIf(group::equals);
      group.accept(this);
    }
    return List.copyOf(entries.getOrDefault(op, List.of()));
  }

  /** The kernel of the first algorithm that covers {@code key}. */
  public Optional<Kernel> find(KernelKey key) {
    for (Entry entry : entries(key.op().getClass())) {
      Kernel kernel = entry.factory().create(key);
      if (kernel != null) {
        return Optional.of(kernel);
      }
    }
    return Optional.empty();
  }

  /** Names of the registered algorithms by op, in order of preference. */
  public synchronized Map<String, List<String>> listing() {
    List.copyOf(later.keySet()).forEach(this::entries);
    Map<String, List<String>> listing = new LinkedHashMap<>();
    entries.forEach(
        (op, list) -> listing.put(op.getSimpleName(), list.stream().map(Entry::name).toList()));
    return listing;
  }
}
