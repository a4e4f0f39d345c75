package io.quern.io;

import io.quern.json.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * The list of the files that a model was split into, as of Hugging Face: JSON with the file of each
 * tensor under {@code weight_map}. Files lie in the folder of the index, or below it. Links may
 * lead elsewhere, as they do where Hugging Face keeps its downloads. Tensors of these files that
 * the index does not name are there too.
 */
final class SafetensorsIndex {
  private static final String REMEDY = "fetch the index and its files again, all of one version";

  private final Path path;

  private SafetensorsIndex(Path path) {
    this.path = path;
  }

  /** Whether a path is that of an index, and not of a file of tensors. */
  static boolean isOne(Path path) {
    return path.toString().endsWith(".json");
  }

  /** Maps all files of an index, and checks that they have the tensors that it says, each once. */
  static List<SafetensorsShard> open(Path path, Arena arena) {
    SafetensorsIndex index = new SafetensorsIndex(path);
    List<SafetensorsShard> shards = new ArrayList<>();
    index.files().forEach((name, tensors) -> shards.add(index.shard(name, tensors, arena)));
    index.requireOneOfEach(shards);
    return shards;
  }

  private FormatException failure(String problem, @Nullable Throwable cause) {
    return new FormatException(path, problem, REMEDY, cause);
  }

  /** The tensors of each file. */
  private Map<String, Set<String>> files() {
    if (!(parse() instanceof Map<?, ?> json)
        || !(json.get("weight_map") instanceof Map<?, ?> weights)) {
      throw failure("has no object weight_map, which tells the file of each tensor", null);
    }
    Map<String, Set<String>> files = new TreeMap<>();
    weights.forEach(
        (tensor, file) -> {
          if (!(file instanceof String name)) {
            throw failure("tensor '" + tensor + "' is in " + file + ", expected a file", null);
          }
          files.computeIfAbsent(name, _ -> new TreeSet<>()).add((String) tensor);
        });
    return files;
  }

  private @Nullable Object parse() {
    try {
      if (Files.size(path) > SafetensorsHeader.MOST_BYTES) {
        throw failure("has more than " + SafetensorsHeader.MOST_BYTES + " bytes", null);
      }
      return Json.parse(Files.readString(path));
    } catch (JacksonException e) {
      throw failure("is not valid JSON (" + e.getOriginalMessage() + ")", e);
    } catch (CharacterCodingException e) {
      throw failure("is not valid UTF-8", e);
    } catch (IOException e) {
      throw Unreadable.file(path, e);
    }
  }

  private SafetensorsShard shard(String name, Set<String> tensors, Arena arena) {
    SafetensorsShard shard;
    try {
      shard = SafetensorsShard.open(inside(name), arena);
    } catch (UncheckedIOException e) {
      if (e.getCause() instanceof NoSuchFileException) {
        throw failure("the file '" + name + "' of " + tensors.size() + " tensors is missing", e);
      }
      throw e;
    }
    Set<String> found = shard.header().entries().keySet();
    for (String tensor : tensors) {
      if (!found.contains(tensor)) {
        throw failure("tensor '" + tensor + "' is not in '" + name + "'", null);
      }
    }
    return shard;
  }

  private Path inside(String name) {
    Path folder = path.toAbsolutePath().normalize().getParent();
    try {
      Path file = Path.of(name);
      if (!name.isEmpty()
          && !file.isAbsolute()
          && folder != null
          && folder.resolve(file).normalize().startsWith(folder)
          && !folder.resolve(file).normalize().equals(folder)) {
        return path.resolveSibling(file);
      }
    } catch (InvalidPathException e) {
      throw failure("'" + name + "' is not the name of a file", e);
    }
    throw failure("'" + name + "' does not lie in the folder of the index", null);
  }

  private void requireOneOfEach(List<SafetensorsShard> shards) {
    Map<String, Path> homes = new HashMap<>();
    for (SafetensorsShard shard : shards) {
      for (String tensor : shard.header().entries().keySet()) {
        Path other = homes.put(tensor, shard.path().getFileName());
        if (other != null) {
          throw failure(
              "tensor '"
                  + tensor
                  + "' is in '"
                  + other
                  + "' and in '"
                  + shard.path().getFileName()
                  + "'",
              null);
        }
      }
    }
  }
}
