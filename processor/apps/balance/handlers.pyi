from processor.logic.native import NativeHandler

deposit: NativeHandler
