package io.quern.text;

import io.quern.io.FormatException;
import io.quern.onnx.OnnxModel;
import io.quern.text.TextEmbedder.Settings;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.URL;
import java.net.URLConnection;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.ProviderNotFoundException;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Finds the parts of an embedder in a folder, in a jar or on the class path. */
final class EmbedderFiles {
  private static final String REMEDY =
      "expected a folder with model.onnx and tokenizer.json, or a jar of such files";

  private final Path folder;

  private EmbedderFiles(Path folder) {
    this.folder = folder;
  }

  static TextEmbedder load(Path path) {
    try {
      if (!Files.isRegularFile(path)) {
        return new EmbedderFiles(path).embedder(path);
      }
      try (FileSystem jar = FileSystems.newFileSystem(path)) {
        return new EmbedderFiles(jar.getPath("/")).embedder(path);
      }
    } catch (ProviderNotFoundException e) {
      throw new FormatException(path, "neither a folder nor a jar", REMEDY, e);
    } catch (IOException e) {
      throw new UncheckedIOException("embed: cannot read " + path + ": " + e, e);
    }
  }

  static TextEmbedder loadResources(Class<?> user, String model, String tokenizer) {
    try (InputStream json = open(user, tokenizer).getInputStream()) {
      URLConnection bytes = open(user, model);
      return TextEmbedder.of(
          OnnxModel.parse(model, read(bytes.getInputStream(), bytes.getContentLengthLong())),
          Tokenizer.parse(new String(json.readAllBytes(), StandardCharsets.UTF_8)));
    } catch (IOException e) {
      throw new UncheckedIOException("embed: cannot read " + model + " or " + tokenizer, e);
    }
  }

  private static URLConnection open(Class<?> user, String name) throws IOException {
    URL url = user.getResource(name);
    if (url == null) {
      throw new FormatException(
          name,
          "no such resource for " + user.getName(),
          "add the artifact that holds it; names start with '/' unless they are of a package");
    }
    return url.openConnection();
  }

  private TextEmbedder embedder(Path named) throws IOException {
    Path file = only(named, ".onnx", "model.onnx", "onnx/model.onnx");
    Tokenizer tokenizer = Tokenizer.load(only(named, "tokenizer.json", "tokenizer.json"));
    OnnxModel model =
        file.getFileSystem().equals(FileSystems.getDefault())
            ? OnnxModel.load(file)
            : OnnxModel.parse(file.toString(), read(Files.newInputStream(file), Files.size(file)));
    return new TextEmbedder(new TokenModel(model), tokenizer, settings(tokenizer));
  }

  /** The first of the files that is there, or the only one with a suffix. */
  private Path only(Path named, String suffix, String... names) throws IOException {
    for (String name : names) {
      if (Files.exists(folder.resolve(name))) {
        return folder.resolve(name);
      }
    }
    if (!Files.isDirectory(folder)) {
      throw new FormatException(named, "no such file or folder", REMEDY);
    }
    try (Stream<Path> files = Files.list(folder)) {
      List<Path> found = files.filter(each -> each.toString().endsWith(suffix)).sorted().toList();
      if (found.size() != 1) {
        throw new FormatException(
            named,
            found.isEmpty() ? "has no " + names[0] : "which of " + found + " to read is not clear",
            REMEDY);
      }
      return found.getFirst();
    }
  }

  private Settings settings(Tokenizer tokenizer) throws IOException {
    Settings usual = Settings.of(tokenizer);
    Node limit = json("sentence_bert_config.json");
    return new Settings(
        pooling(json("1_Pooling/config.json"), usual.pooling()),
        isNormalized(json("modules.json")),
        limit == null ? usual.maxLength() : limit.integer("max_seq_length", usual.maxLength()),
        true);
  }

  private static Pooling pooling(@Nullable Node config, Pooling usual) {
    if (config == null) {
      return usual;
    }
    List<String> modes =
        config.object().keySet().stream()
            .filter(name -> name.startsWith("pooling_mode_") && config.flag(name, false))
            .toList();
    return switch (modes.size() == 1 ? modes.getFirst() : "") {
      case "pooling_mode_mean_tokens" -> Pooling.MEAN;
      case "pooling_mode_cls_token" -> Pooling.CLS;
      default -> throw config.unsupported("pooling", modes.toString(), "mean and cls, one of them");
    };
  }

  /** Whether a list of steps ends with normalisation; without a list, yes. */
  private static boolean isNormalized(@Nullable Node modules) {
    if (modules == null) {
      return true;
    }
    boolean normalized = false;
    for (Node module : modules.list()) {
      String type = module.text("type");
      String name = type.substring(type.lastIndexOf('.') + 1);
      if (!List.of("Transformer", "Pooling", "Normalize").contains(name)) {
        throw module.unsupported("step", type, "Transformer, Pooling and Normalize");
      }
      normalized |= name.equals("Normalize");
    }
    return normalized;
  }

  private @Nullable Node json(String name) throws IOException {
    Path file = folder.resolve(name);
    return Files.exists(file) ? Node.parse(file.toString(), name, Files.readString(file)) : null;
  }

  /**
   * All of a stream in native memory.
   *
   * @param size bytes, or less than 0 if that is not known
   */
  private static MemorySegment read(InputStream in, long size) throws IOException {
    try (in) {
      if (size < 0) {
        MemorySegment all = MemorySegment.ofArray(in.readAllBytes());
        return Arena.ofAuto().allocate(all.byteSize(), 64).copyFrom(all);
      }
      MemorySegment memory = Arena.ofAuto().allocate(size, 64);
      ByteBuffer bytes = memory.asByteBuffer();
      ReadableByteChannel channel = Channels.newChannel(in);
      while (bytes.hasRemaining() && channel.read(bytes) >= 0) {}
      return memory.asSlice(0, bytes.position());
    }
  }
}
